"""What goes over the wire: arguments, results, next steps, schemas and URIs."""
