"""How far two tensors, two rankings or two sets of detections are apart."""
