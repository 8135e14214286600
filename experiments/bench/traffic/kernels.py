"""Count the bytes that a compiled program moves to and from main memory, kernel by kernel, from its HLO text.

XLA's GPU compiler gives no count of its own. Its TPU compiler does, but counts what moves within the chip as well.
A kernel reads each of its operands once and writes each of its results: arrays that share memory count for both.
An array in another memory space (S(1) is a TPU's vector memory) counts for nothing.
"""

import re
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

# Instructions that move nothing by themselves; the work of what ends in -done is its -start's.
FREE = {"parameter", "constant", "iota", "bitcast", "get-tuple-element", "tuple", "opt-barrier", "partition-id"}

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*?) ([a-z][a-z\-]*)\(([^)]*)\)(.*)$")
ARRAY = re.compile(r"\b([a-z]+)(\d*)\w*\[([\d,]*)\](?:\{[^}]*?(S\(\d+\))?\})?")
CALLED = re.compile(r"(?:to_apply|calls|body)=%([\w.\-]+)")
BRANCHES = re.compile(r"(?:branch_computations=\{([^}]*)\}|(?:true|false)_computation=(%[\w.\-]+))")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Kernel(NamedTuple):
    """A kernel and the bytes it moves."""

    name: str
    bytes: int


class Traffic(NamedTuple):
    """What a program runs in every call, and the kernels of each branch, of which it may run one."""

    kernels: list[Kernel]
    branches: list[list[Kernel]]

    @property
    def bytes(self) -> int:
        """The bytes of what always runs."""
        return total(self.kernels)

    @property
    def branch_bytes(self) -> int:
        """The bytes of the branch that moves most."""
        return max(map(total, self.branches), default=0)


class Instruction(NamedTuple):
    """One line of HLO text."""

    name: str
    shape: str
    opcode: str
    operands: str
    rest: str


def count(text: str) -> Traffic:
    """Count a program's traffic, given `compiled.as_text()`."""
    computations, entry = parse(text)
    return _count(computations, entry)


def total(kernels: list[Kernel]) -> int:
    """Return the bytes of some kernels."""
    return sum(kernel.bytes for kernel in kernels)


def parse(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """Return the instructions of every computation, and the name of the one that the program starts with."""
    computations: dict[str, list[Instruction]] = {}
    entry = current = ""
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            current = head[2]
            computations[current] = []
            entry = current if head[1] else entry
        elif match := INSTRUCTION.match(line):
            computations[current].append(Instruction(*match.groups()))
    return computations, entry


def _count(computations: dict[str, list[Instruction]], name: str) -> Traffic:
    kernels: list[Kernel] = []
    branches: list[list[Kernel]] = []
    shapes: dict[str, str] = {}
    for instruction in computations[name]:
        shapes[instruction.name] = instruction.shape
        if instruction.opcode == "conditional":
            for branch in _branches(instruction.rest):
                inner = _count(computations, branch)
                branches += [inner.kernels, *inner.branches]
        elif instruction.opcode in ("call", "while"):
            inner = _count(computations, CALLED.search(instruction.rest)[1])
            trips = TRIPS.search(instruction.rest)
            kernels += inner.kernels * (int(trips[1]) if trips else 1)
            branches += inner.branches
        elif moved := _bytes(instruction, shapes):
            kernels.append(Kernel(instruction.name, moved))
    return Traffic(kernels, branches)


def _branches(rest: str) -> Iterator[str]:
    for several, one in BRANCHES.findall(rest):
        yield from (name.strip(" %") for name in (several or one).split(","))


def _bytes(instruction: Instruction, shapes: dict[str, str]) -> int:
    if instruction.opcode in FREE or instruction.opcode.endswith("-done"):
        return 0
    operands = [shapes[name] for name in dict.fromkeys(re.findall(r"%([\w.\-]+)", instruction.operands))]
    if instruction.opcode in ("copy-start", "slice-start"):  # the result lists the source as well, and a flag
        source, copied = operands[0], arrays(instruction.shape)[instruction.opcode == "slice-start"]
        read = 0 if "S(" in source else copied.bytes
        return read + copied.main_bytes
    return sum(array.main_bytes for shape in (instruction.shape, *operands) for array in arrays(shape))


class Array(NamedTuple):
    """The size of an array, and whether it lies in main memory."""

    bytes: int
    main: bool

    @property
    def main_bytes(self) -> int:
        """The bytes that lie in main memory."""
        return self.bytes if self.main else 0


def arrays(shape: str) -> list[Array]:
    """Return the arrays of a shape in HLO's notation: f32[2,3]{1,0:T(8,128)S(1)}, or a tuple of such."""
    return [
        Array(prod(int(size) for size in sizes.split(",") if size) * max(1, int(bits or 8) // 8), not space)
        for _, bits, sizes, space in ARRAY.findall(shape)
    ]
