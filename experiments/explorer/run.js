// Run a method in a world. On a surface it moves two weights. Along a signal its weight is minus the epoch, so a method
// that looks ahead, downhill, reads later epochs.

function surfaceWorld(name, start) {
  return {
    kind: "surfaces",
    steps: LAB.steps,
    start,
    slope: (w) => SURFACES[name](...w).slice(1),
    height: (w) => SURFACES[name](...w)[0],
    move: (w, update) => w.map((coordinate, i) => coordinate + update[i]),
    aside: (w, side) => w.map((coordinate) => coordinate + NUDGE * side()),
  };
}

function signalWorld(name) {
  const signal = LAB.signals[name].values;
  return {
    kind: "signals",
    steps: signal.length,
    start: [-0],
    slope: ([w]) => [readAt(signal, -w)],
    height: () => 0,
    move: ([w]) => [w - 1],
    aside: ([w], side) => [-w > 1 && -w < signal.length - 2 ? w + NUDGE * side() : w], // not beyond the ends
  };
}

// Interpolate linearly between epochs; 0 before the first and after the last.
function readAt(signal, epoch) {
  if (epoch < 0 || epoch > signal.length - 1) return 0;
  const before = Math.min(Math.floor(epoch), signal.length - 2);
  return signal[before] + (epoch - before) * (signal[before + 1] - signal[before]);
}

// Return the steps. Each has the new weights and height, the gradient and the points where it was taken, the update,
// and the inner quantities, [label][weight]. A path that is far away or not a number has diverged and ends.
function run(world, slug, settings, nudge = (point) => point) {
  const rule = ruleOf(slug, settings), steps = [];
  let w = world.start, ahead = [w];
  while (steps.length < world.steps) {
    const gradient = mean(ahead.map((point) => world.slope(nudge(point))));
    const results = rule(gradient, w);
    const update = results.map((result) => result.update);
    const inside = LAB.methods[slug].labels.map((_, k) => results.map((result) => result.inside[k]));
    w = world.move(w, update);
    steps.push({ w, height: world.height(w), gradient, taken: ahead, update, inside });
    if (world.kind === "surfaces" && !(Math.hypot(...w) <= LAB.far)) break;
    ahead = (results[0].ahead ?? [0]).map((_, k) => w.map((coordinate, i) => coordinate + (results[i].ahead?.[k] ?? 0)));
  }
  return steps;
}

const mean = (vectors) => vectors[0].map((_, i) => vectors.reduce((sum, vector) => sum + vector[i], 0) / vectors.length);

const NUDGE = 1e-14; // some thirty times the rounding of a coordinate
const SAME = 1e-7, FAR_APART = 1e-3; // relative to the largest number of the same kind

// Count the steps before rounding decides. The run is repeated with gradients taken very close to the true points; from
// the first difference on, the numbers depend on the last bits. `path` counts for the path, `chaotic` until the paths
// are far apart, `inside` for the inner quantities.
function trusted(world, slug, settings, steps) {
  // A given gradient has no feedback, unless the method looks ahead.
  if (world.kind === "signals" && !LAB.methods[slug].looksAhead) {
    return { path: steps.length, chaotic: steps.length, inside: steps.length };
  }
  const others = [1, 2, 3, 4].map((seed) => {
    const side = sides(seed);
    return run(world, slug, settings, (point) => world.aside(point, side));
  });
  const first = (numbers, limit) => {
    const scales = steps.reduce((most, step) => numbers(step).map((n, i) => Math.max(Math.abs(n) || 0, most[i] ?? 0)), []);
    const differs = (a, b) => !b || numbers(b).some((n, i) => !(Math.abs(n - numbers(a)[i]) <= limit * scales[i]));
    const at = steps.findIndex((step, t) => others.some((other) => differs(step, other[t])));
    return at < 0 ? steps.length : at;
  };
  const path = (step) => [...step.w, step.height, ...step.update];
  const certain = first(path, SAME);
  return {
    path: certain,
    chaotic: first(path, FAR_APART),
    inside: Math.min(certain, first((step) => step.inside.flat(), SAME)),
  };
}

// 1 or -1, by a fixed sequence (Park and Miller's).
function sides(seed) {
  let state = 413 * seed;
  return () => ((state = (state * 48271) % 2147483647) & 64 ? 1 : -1);
}
