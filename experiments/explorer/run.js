// Run a method in a world: a surface, where it moves two weights, or a signal, along which its weight is minus the
// epoch, so that looking ahead, downhill, is reading later epochs.

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

// Linear between epochs, 0 before the first and beyond the last.
function readAt(signal, epoch) {
  if (epoch < 0 || epoch > signal.length - 1) return 0;
  const before = Math.min(Math.floor(epoch), signal.length - 2);
  return signal[before] + (epoch - before) * (signal[before + 1] - signal[before]);
}

// Steps, each with the weights and height it leads to, the gradient it used and where that was taken, the update and
// what is inside, [label][weight]. A path that is far away or no number any more has diverged and ends.
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
const SAME = 1e-7, FAR_APART = 1e-3; // of the largest of its kind

// How many steps of a path are arithmetic and not rounding: the run is repeated with gradients taken a hair's breadth
// aside; where that shows, the numbers depend on the last bits. Counted for the path, also until it is chaotic, and for
// what is inside.
function trusted(world, slug, settings, steps) {
  // A gradient that is given has no feedback, unless one looks for it ahead.
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
