// Inside one method: its equation, its settings, its quantities over time.

function buildInside() {
  const { label, about, equation } = LAB.methods[chosen.inspected];
  $("method-title").textContent = label;
  $("method-about").textContent = about;
  $("equation").innerHTML = equation;
  $("legend").textContent = isSurface()
    ? "Solid lines are x, dashed lines are y. The numbers beside each title are those of this step." : "";
  buildSettings();
  buildCharts();
}

function buildSettings() {
  const slug = chosen.inspected, mine = chosen.settings[kind()][slug];
  const sliders = Object.entries(LAB.methods[slug].worlds[kind()]);
  $("settings").replaceChildren($("settings").querySelector("legend"));
  for (const [key, { name, values }] of sliders) {
    const box = sliderOf(`set-${key}`, name, values.length - 1, values.indexOf(mine[key]), (at) => {
      mine[key] = values[at];
      recompute();
      return short(values[at]);
    });
    box.querySelector("output").textContent = short(mine[key]);
    box.querySelector("input").setAttribute("aria-valuetext", short(mine[key]));
    $("settings").append(box);
  }
  const reset = document.createElement("button");
  [reset.type, reset.id, reset.textContent] = ["button", "reset", "usual settings"];
  reset.addEventListener("click", () => {
    for (const [key, { usual }] of sliders) mine[key] = usual;
    buildSettings();
    recompute();
    $("reset").focus();
  });
  $("settings").append(reset);
}

// A slider over positions 0, 1, …; `moved` gives the text for a position.
function sliderOf(id, name, most, at, moved) {
  const box = document.createElement("p");
  box.className = "slider";
  box.innerHTML = `<label for="${id}">${name}</label><input id="${id}" type="range" min="0" max="${most}" value="${at}">` +
    `<output for="${id}"></output>`;
  const input = box.querySelector("input");
  input.addEventListener("input", () => {
    const text = moved(Number(input.value));
    box.querySelector("output").textContent = text;
    input.setAttribute("aria-valuetext", text);
  });
  return box;
}

// The inspected method's quantities over time: gradient, state, step.
function drawInside() {
  const steps = runs[chosen.inspected] ?? [], method = LAB.methods[chosen.inspected];
  const step = stepOf(chosen.inspected);
  for (const { canvas, output, name, read } of charts) {
    const { pen, width, height } = sheet(canvas);
    const curves = world.start.map((_, i) => ({
      values: [NaN, ...steps.map((s) => read(s)[i])], color: method.color, dash: i ? [2, 1.5] : [], width: i ? 2.2 : 1.8,
    }));
    const box = { left: 56, width: width - 68, top: 6, height: height - (canvas.dataset.last ? 26 : 12) };
    drawCurves(pen, box, curves, chosen.t, world.steps + 1, { ticks: !!canvas.dataset.last });
    const texts = step ? read(step).map(exact) : world.start.map(() => "—");
    const named = isSurface() ? texts.map((text, i) => `<span>${"xy"[i]} ${text}</span>`) : texts;
    output.innerHTML = named.join("");
    canvas.setAttribute("aria-label", `${name} of ${method.label} at each step; now ${output.textContent}`);
  }
  const certain = trust[chosen.inspected]?.inside ?? 0;
  $("warning").textContent = step && chosen.t > certain
    ? `From step ${certain + 1} on, rounding decides some of these numbers.` : "";
}

let charts = []; // of the inspected method

function buildCharts() {
  const { labels } = LAB.methods[chosen.inspected];
  const downhill = (step) => step.update.map((u) => -u);
  const rows = [
    ["gradient g", (step) => step.gradient],
    ...labels.map((label, k) => [label, (step) => step.inside[k]]),
    isSurface() ? ["step Δw", (step) => step.update] : ["step −Δw, downhill", downhill],
  ];
  $("charts").innerHTML = "";
  charts = rows.map(([name, read], k) => {
    const box = document.createElement("div");
    box.className = "quantity";
    box.innerHTML = `<header><h3></h3><output></output></header><canvas class="chart" role="img"></canvas>`;
    box.querySelector("h3").textContent = name;
    $("charts").append(box);
    const canvas = box.querySelector("canvas");
    if (k === rows.length - 1) canvas.dataset.last = "yes";
    scrubOn(canvas);
    return { canvas, output: box.querySelector("output"), name, read };
  });
}
