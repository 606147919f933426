"""What a page says of where it ran: chips, versions, switches, and work that the NPU did not do."""
