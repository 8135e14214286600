// The page: the reader's choices, the runs that follow from them, and their pictures.

const $ = (id) => document.getElementById(id);

const chosen = {
  world: "hills_and_canyon",
  shown: ["nesterov", "rmsprop", "adam", "velocity_gains"],
  inspected: "adam",
  start: [...LAB.start],
  settings: usualSettings(), // by kind of world and method
  t: LAB.steps, // steps taken
};
let world, runs, trust; // computed from `chosen`; runs and trust by method

function usualSettings() {
  const usual = (of) => Object.fromEntries(Object.entries(of).map(([key, slider]) => [key, slider.usual]));
  const ofKind = (kind) => Object.entries(LAB.methods).map(([slug, method]) => [slug, usual(method.worlds[kind] ?? {})]);
  return { surfaces: Object.fromEntries(ofKind("surfaces")), signals: Object.fromEntries(ofKind("signals")) };
}

const isSurface = () => chosen.world in SURFACES;
const kind = () => (isSurface() ? "surfaces" : "signals");
const shownHere = () => chosen.shown.filter((slug) => kind() in LAB.methods[slug].worlds);
const settingsOf = (slug) => chosen.settings[world.kind][slug];
const stepOf = (slug) => runs[slug]?.[Math.min(chosen.t, runs[slug].length) - 1]; // none before the first

function recompute() {
  world = isSurface() ? surfaceWorld(chosen.world, chosen.start) : signalWorld(chosen.world);
  runs = Object.fromEntries(shownHere().map((slug) => [slug, run(world, slug, settingsOf(slug))]));
  trust = Object.fromEntries(
    shownHere().map((slug) => [slug, trusted(world, slug, settingsOf(slug), runs[slug])]));
  chosen.t = Math.min(chosen.t, world.steps);
  $("time").max = world.steps;
  draw();
}

// Draw everything that depends on the step.
function draw() {
  const { t } = chosen, word = isSurface() ? "step" : "epoch";
  $("time").value = t;
  $("time").setAttribute("aria-valuetext", `${word} ${t} of ${world.steps}`);
  $("status").textContent = `${word} ${t} of ${world.steps}`;
  const paths = shownHere().map((slug) => ({ slug, steps: runs[slug] }));
  if (isSurface()) drawSurface($("picture"), chosen.world, chosen.start, paths, t, chosen.inspected);
  else drawSignal(paths);
  drawStandings();
  if (isSurface()) drawHeights(paths);
  drawInside();
  tell();
}

// Say what the pictures show, for readers who cannot see them.
function tell() {
  const { title } = (isSurface() ? LAB.surfaces : LAB.signals)[chosen.world];
  const where = shownHere().map((slug) => {
    const [a, b] = standing(slug);
    return `${LAB.methods[slug].label} at ${isSurface() ? `${a}, ${b}` : b}`;
  });
  $("picture").setAttribute("aria-label", `${title}, ${$("status").textContent}: ${where.join("; ") || "no method"}`);
  $("heights").setAttribute("aria-label", `height of each method at each step; the table has the numbers`);
}

const look = ({ color, dash }) => ({ color, dash });

function drawSignal(paths) {
  const { pen, width, height } = sheet($("picture")), signal = LAB.signals[chosen.world].values;
  const box = { left: 56, width: width - 68, top: 26, height: 0.26 * height };
  const below = { ...box, top: 0.26 * height + 76, height: 0.74 * height - 98 };
  const curves = paths.map(({ slug, steps }) => ({
    ...look(LAB.methods[slug]), values: [NaN, ...steps.map((step) => -step.update[0])],
    width: slug === chosen.inspected ? 2.6 : 1.6,
  }));
  drawCurves(pen, box, [{ values: [NaN, ...signal], color: LAB.ink }], chosen.t, world.steps + 1);
  drawCurves(pen, below, curves.length ? curves : [{ values: [0] }], chosen.t, world.steps + 1);
  [pen.fillStyle, pen.textAlign, pen.font] = [LAB.ink, "left", "600 13px system-ui, sans-serif"];
  pen.fillText("the given gradient", box.left, box.top - 10);
  pen.fillText("the method's steps, downhill", below.left, below.top - 10);
}

function drawHeights(paths) {
  const { pen, width, height } = sheet($("heights")), start = world.height(chosen.start);
  const curves = paths.map(({ slug, steps }) => ({
    ...look(LAB.methods[slug]), values: [start, ...steps.map((step) => step.height)],
  }));
  const box = { left: 56, width: width - 68, top: 8, height: height - 28 };
  drawCurves(pen, box, curves.length ? curves : [{ values: [start] }], chosen.t, world.steps + 1);
}

// A method's row: its position and height; on a signal, the gradient, the step, and the sum of all steps.
function standing(slug) {
  const step = stepOf(slug);
  if (isSurface()) return [...(step?.w ?? chosen.start), step?.height ?? world.height(chosen.start)].map(exact);
  const traveled = runs[slug].slice(0, chosen.t).reduce((sum, { update }) => sum - update[0], 0);
  return [...(step ? [step.gradient[0], -step.update[0]] : [0, 0]), traveled].map(exact);
}

function remark(slug) {
  const count = runs[slug].length;
  if (count < world.steps && chosen.t >= count) return `diverged at step ${count}`;
  const { path, chaotic } = trust[slug];
  if (chosen.t > chaotic) return `chaotic: from step ${chaotic + 1} on, rounding decides`;
  return chosen.t > path ? `from step ${path + 1} on, the last digits are rounding` : "";
}

function drawStandings() {
  const heads = isSurface() ? ["method", "x", "y", "height"] : ["method", "gradient", "step", "traveled"];
  $("standings").tHead.innerHTML = `<tr>${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr>`;
  $("standings").tBodies[0].innerHTML = shownHere().map((slug) => {
    const cells = standing(slug).map((text) => `<td>${text}</td>`), note = remark(slug);
    if (note) cells[2] = cells[2].replace("</td>", `<small>${note}</small></td>`);
    return `<tr><th scope="row">${swatch(slug)}${LAB.methods[slug].label}</th>${cells.join("")}</tr>`;
  }).join("");
}

function swatch(slug) {
  const { marker, color, dash } = LAB.methods[slug];
  const outlines = marker.map((outline) => outline.map(([u, v]) => `${u * 13},${-v * 13}`).join(" "));
  return `<svg viewBox="-17 -7 34 14" preserveAspectRatio="xMidYMid slice" aria-hidden="true"><path d="M-17 0H17" stroke="${color}" stroke-width="2"
    stroke-dasharray="${dash.map((length) => 2 * length)}"/>${outlines.map((points) =>
    `<polygon points="${points}" fill="${color}" stroke="#fff"/>`).join("")}</svg>`;
}
