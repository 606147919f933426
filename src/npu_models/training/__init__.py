"""What only training needs: targets, losses, fresh weights, recipes, and what runs over all ranks."""
