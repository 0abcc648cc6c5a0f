"""The wire contract: arguments, results, next steps, schemas and URIs."""
