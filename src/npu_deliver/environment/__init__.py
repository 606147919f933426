"""Where the steps run: the image, the stack in it, the engine, the hardware."""
