"""How gradients of many losses are found, compared and combined."""
