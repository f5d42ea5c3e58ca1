"""Speaking to a server: HTTP, credentials, and a module of calls for every noun.

Nothing here imports the server, MLflow or the command line. Importing this package loads nothing else: each
module is imported by name.
"""
