// The controls, for mouse, touch and keyboard.

function chooseWorld(name) {
  chosen.world = name;
  chosen.t = Infinity; // the whole run
  const { title, about } = (isSurface() ? LAB.surfaces : LAB.signals)[name];
  document.body.className = kind();
  if (!(kind() in LAB.methods[chosen.inspected].worlds)) chosen.inspected = shownHere()[0] ?? "adam";
  $("world-title").textContent = title;
  $("world-about").textContent = about ? `${about}.` : "The gradient of one weight over 300 epochs.";
  recomputeAll();
}

function show(slug, shown) {
  chosen.shown = Object.keys(LAB.methods).filter((other) => (other === slug ? shown : chosen.shown.includes(other)));
  if (shown || chosen.inspected === slug) chosen.inspected = shown ? slug : (shownHere()[0] ?? slug);
  recomputeAll();
}

function inspect(slug) {
  chosen.inspected = slug;
  buildInside();
  draw();
}

function recomputeAll() {
  buildTabs();
  buildInside();
  recompute();
}

function goTo(t) {
  chosen.t = Math.max(0, Math.min(t, world.steps));
  draw();
}

let playing = 0; // the timer's number, 0 in a pause

function play(on) {
  clearInterval(playing);
  playing = 0;
  $("play").textContent = on ? "❚❚ pause" : "▶ play";
  $("status").setAttribute("aria-live", on ? "off" : "polite"); // a screen reader must not speak sixty times a second
  if (!on) return;
  if (chosen.t === world.steps) goTo(0);
  playing = setInterval(() => {
    goTo(chosen.t + 1);
    if (chosen.t === world.steps) play(false);
  }, 1000 / $("speed").value);
}

function buildWorlds() {
  for (const [name, worlds] of [["Surfaces", LAB.surfaces], ["Gradient signals", LAB.signals]]) {
    const group = document.createElement("optgroup");
    group.label = name;
    for (const [slug, { title }] of Object.entries(worlds)) group.append(new Option(title, slug));
    $("world").append(group);
  }
  $("world").value = chosen.world;
}

function buildMethods() {
  for (const [slug, { label }] of Object.entries(LAB.methods)) {
    const chip = chipOf("checkbox", slug, `${swatch(slug)}${label}`, (input) => show(slug, input.checked));
    chip.querySelector("input").checked = chosen.shown.includes(slug);
    chip.classList.toggle("of-surfaces", !("signals" in LAB.methods[slug].worlds));
    $("methods").append(chip);
  }
}

function buildTabs() {
  const focused = $("inspected").contains(document.activeElement);
  $("inspected").querySelectorAll(".chip").forEach((chip) => chip.remove());
  for (const slug of shownHere()) {
    const chip = chipOf("radio", slug, LAB.methods[slug].label, () => inspect(slug));
    chip.querySelector("input").name = "inspected";
    chip.querySelector("input").checked = slug === chosen.inspected;
    $("inspected").append(chip);
  }
  if (focused) $("inspected").querySelector(":checked")?.focus();
}

function chipOf(type, value, content, changed) {
  const chip = document.createElement("label");
  chip.className = "chip";
  chip.innerHTML = `<input type="${type}" value="${value}">${content}`;
  const input = chip.querySelector("input");
  input.addEventListener("change", () => changed(input));
  return chip;
}

// Start coordinates lie on a grid of tenths.
function moveStart(start) {
  const tenth = (n) => Math.round(10 * Math.max(-LAB.side, Math.min(LAB.side, n))) / 10;
  chosen.start = start.map(tenth);
  chosen.t = Infinity;
  showStart();
  recompute();
}

function showStart() {
  ["start-x", "start-y"].forEach((id, i) => {
    $(id).value = chosen.start[i];
    document.querySelector(`output[for=${id}]`).textContent = minus(chosen.start[i].toFixed(1));
  });
}

function buildStart() {
  ["start-x", "start-y"].forEach((id, i) => {
    Object.assign($(id), { min: -LAB.side, max: LAB.side, step: 0.1 });
    $(id).addEventListener("input", () => moveStart(chosen.start.map((old, k) => (k === i ? Number($(id).value) : old))));
  });
  $("picture").addEventListener("click", (event) => {
    if (isSurface()) moveStart(pointAt(event.offsetX, event.offsetY, $("picture").clientWidth));
  });
  showStart();
}

// For the mouse, a chart is a slider over time; the keyboard has the slider below the picture.
function scrubOn(canvas) {
  const scrub = (event) => {
    if (!event.buttons) return;
    play(false);
    goTo(Math.round(((event.offsetX - 56) / (canvas.clientWidth - 68)) * world.steps));
  };
  canvas.addEventListener("pointerdown", scrub);
  canvas.addEventListener("pointermove", scrub);
}

function connect() {
  $("world").addEventListener("change", (event) => chooseWorld(event.target.value));
  $("play").addEventListener("click", () => play(!playing));
  $("speed").addEventListener("change", () => playing && play(true));
  const stops = { rewind: () => 0, back: () => chosen.t - 1, step: () => chosen.t + 1 };
  for (const [id, target] of Object.entries(stops)) {
    $(id).addEventListener("click", () => {
      play(false);
      goTo(target());
    });
  }
  $("time").addEventListener("input", (event) => {
    play(false);
    goTo(Number(event.target.value));
  });
  scrubOn($("heights"));
  new ResizeObserver(draw).observe($("picture"));
}

buildWorlds();
buildMethods();
buildStart();
chooseWorld(chosen.world);
connect();
