// Numbers over time.

const GRID = "#e4e6e9", TEXT = "#5a5f66", PALE = 0.25;

// Curves over time: past steps in full color, later steps pale. A positive quantity that spans more than a factor of
// 1,000 gets a logarithmic axis, of twelve decades at most. `box` is the place in the sheet.
function drawCurves(pen, box, curves, t, total, { ticks = true } = {}) {
  const { to, marks } = axis(curves.flatMap((curve) => curve.values), box);
  const x = (n) => box.left + (total > 1 ? n / (total - 1) : 0) * box.width;
  [pen.lineWidth, pen.textAlign, pen.font] = [1, "right", "11px system-ui, sans-serif"];
  for (const { at, text } of marks) {
    [pen.strokeStyle, pen.fillStyle] = [text === "0" ? "#a9aeb5" : GRID, TEXT];
    line(pen, box.left, at, box.left + box.width, at);
    pen.fillText(text, box.left - 6, at + 4);
  }
  pen.textAlign = "center";
  for (let n = 0; n <= total; n += total > 200 ? 50 : 25) {
    pen.strokeStyle = GRID;
    line(pen, x(n), box.top, x(n), box.top + box.height);
    if (ticks) pen.fillText(n, x(n), box.top + box.height + 13);
  }
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.width + 1, box.height);
  pen.clip();
  for (const curve of curves) {
    drawCurve(pen, curve, x, to, PALE);
    drawCurve(pen, { ...curve, values: curve.values.slice(0, t + 1) }, x, to, 1);
  }
  pen.restore();
  [pen.strokeStyle, pen.lineWidth] = [LAB.ink, 1];
  if (t >= 0) line(pen, x(t), box.top, x(t), box.top + box.height);
}

function drawCurve(pen, { values, color, dash, width = 1.8 }, x, to, alpha) {
  pen.globalAlpha = alpha;
  [pen.strokeStyle, pen.lineWidth] = [color, width];
  pen.setLineDash((dash ?? []).map((length) => length * width));
  pen.beginPath();
  values.forEach((value, n) => Number.isFinite(value) && pen.lineTo(x(n), to(value)));
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

// The scale of an axis, linear or logarithmic, and its two or three marks.
function axis(values, { top, height }) {
  const known = values.filter(Number.isFinite), positive = known.filter((value) => value > 0);
  let low = Math.min(...known), high = Math.max(...known);
  const log = positive.length === known.length && known.length > 0 && high > 1000 * low;
  const scale = log ? Math.log10 : (value) => value;
  [low, high] = [scale(log ? Math.max(low, high / 1e12) : low), scale(high)];
  if (!(high > low)) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const room = 0.06 * (high - low);
  const to = (value) => top + height - ((scale(value) - low + room) / (high - low + 2 * room)) * height;
  const marks = log ? decades(low, high) : rounds(low, high);
  return { to, marks: marks.map((value) => ({ at: to(value), text: short(value) })) };
}

function rounds(low, high) {
  const raw = (high - low) / 2, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [5, 2, 1].map((factor) => factor * unit).find((size) => size <= raw);
  const marks = [];
  for (let n = Math.ceil(low / step); n <= Math.floor(high / step); n++) marks.push(n * step);
  return marks;
}

function decades(low, high) {
  const step = Math.ceil((high - low) / 3), marks = [];
  for (let n = Math.ceil(low / step) * step; n <= high; n += step) marks.push(10 ** n);
  return marks;
}
