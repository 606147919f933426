"""A metric of the task on a data set at hand: COCO's AP, or top-1 and top-5."""
