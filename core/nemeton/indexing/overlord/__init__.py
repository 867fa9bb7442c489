"""The Overlord: task queue, lockbox, storage, HTTP resources."""
