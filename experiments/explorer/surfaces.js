// The surfaces of experiments/tasks/surfaces.py: (x, y) -> [height, slope along x, slope along y].

const { abs, cos, exp, sin, sqrt } = Math;

const SURFACES = {
  simple_quad: (x, y) => [x * x + y * y, 2 * x, 2 * y],

  wobbly(x, y) {
    const far = abs(x), side = x < 0 ? -1 : 1, root = sqrt(far + 0.1), wave = 3 * cos(x + y); // at 0, side is 1 as in JAX
    const hill = 8 * exp(-(2 * (x + 1) ** 2 + 2 * (y + 2) ** 2));
    return [
      (x * x + y * y) / 3 + far * root + 3 * sin(x + y) + 3 + hill,
      (2 * x) / 3 + side * (root + far / (2 * root)) + wave - 4 * (x + 1) * hill,
      (2 * y) / 3 + wave - 4 * (y + 2) * hill,
    ];
  },

  basins_and_walls: (x, y) => [(x * x + y * y) / 2 + sin(4 * x) ** 2, x + 8 * sin(4 * x) * cos(4 * x), y],

  ripple: (x, y) => [
    (x * x + y * y) / 3 + (sin(20 * x) ** 2 + sin(20 * y) ** 2) / 15,
    (2 * x) / 3 + (40 * sin(20 * x) * cos(20 * x)) / 15,
    (2 * y) / 3 + (40 * sin(20 * y) * cos(20 * y)) / 15,
  ],

  giant_plateu(x, y) {
    const hole = 4 * exp(-(x * x + y * y));
    return [4 - hole, 2 * x * hole, 2 * y * hole];
  },

  hills_and_canyon(x, y) {
    const a = 3 * exp(-((x + 1) ** 2 + (y + 2) ** 2));
    const b = exp(-1.5 * (2 * (x + 2) ** 2 + (y - 0.5) ** 2));
    const c = 3 * exp(-1.5 * ((x - 1) ** 2 + 2 * (y + 1.5) ** 2));
    const d = 1.5 * exp(-((x + 1.5) ** 2 + 3 * (y + 0.5) ** 2));
    const canyon = 4 * exp(-((x + y) ** 2)), across = 2 * (x + y) * canyon;
    return [
      (x * x + y * y) / 3 + a + b + c + d + 4 - canyon,
      (2 * x) / 3 - 2 * (x + 1) * a - 6 * (x + 2) * b - 3 * (x - 1) * c - 2 * (x + 1.5) * d + across,
      (2 * y) / 3 - 2 * (y + 2) * a - 3 * (y - 0.5) * b - 6 * (y + 1.5) * c - 6 * (y + 0.5) * d + across,
    ];
  },

  two_minimums(x, y) {
    const shallow = 0.5 * exp(-((x + 2.5) ** 2 + (y + 2.5) ** 2)), deep = 3 * exp(-(x * x + y * y));
    return [
      4 - shallow - deep,
      2 * (x + 2.5) * shallow + 2 * x * deep,
      2 * (y + 2.5) * shallow + 2 * y * deep,
    ];
  },
};
