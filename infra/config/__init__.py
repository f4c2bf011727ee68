"""What a stage is made of: YAML files merged over each other, checked by models."""
