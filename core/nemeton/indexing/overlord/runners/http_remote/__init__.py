"""The task runner ``httpRemote``: workers from discovery, tasks over HTTP."""
