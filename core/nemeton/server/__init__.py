"""The roles put together: what each is made of, and how a process runs one or more of them."""
