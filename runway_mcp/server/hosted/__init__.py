"""A server for several callers: who they are, what each may take, and which account each goes through."""
