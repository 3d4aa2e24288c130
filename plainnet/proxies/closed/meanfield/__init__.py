"""Mean-field theory of random networks of finite width: what their values are like, from the layers alone."""
