"""The same kind of work in three shapes: one large leaf, ResNet-50's 161, and many small ones."""

from math import prod

Shape = tuple[int, ...]


def resnet50() -> list[Shape]:
    """Return the 161 leaves of ResNet-50: 53 convolutions, a scale and a bias for each, and the classifier."""
    shapes: list[Shape] = []

    def convolution(size: int, into: int, out: int) -> None:
        shapes.extend([(size, size, into, out), (out,), (out,)])

    convolution(7, 3, 64)
    into = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            convolution(1, into, width)
            convolution(3, width, width)
            convolution(1, width, 4 * width)
            if block == 0:
                convolution(1, into, 4 * width)
            into = 4 * width
    return [*shapes, (2048, 1000), (1000,)]


def many(leaves: int) -> list[Shape]:
    """Return small leaves of a few shapes: what a step costs besides bandwidth, and what compiling it costs."""
    return [((64,), (8, 16), (256,), (16, 16))[k % 4] for k in range(leaves)]


def weights(shapes: list[Shape]) -> int:
    """Return the number of weights."""
    return sum(prod(shape) for shape in shapes)
