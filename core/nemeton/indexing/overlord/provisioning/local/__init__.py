"""The autoscaler ``local``: MiddleManagers as processes on the Overlord's own machine."""
