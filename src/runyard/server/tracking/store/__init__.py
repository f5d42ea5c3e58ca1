"""SQL of the tracking slice, one module per noun. Only the slice's services may import it."""
