"""From a weights file to a network that holds exactly those weights, or an error."""
