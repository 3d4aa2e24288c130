"""A network as Python source that reads as if a person had written it."""
