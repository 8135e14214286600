// Paths over the ground.

function drawSurface(canvas, name, start, paths, t, inspected) {
  const { pen, width: size } = sheet(canvas);
  pen.drawImage(ground(name, Math.min(canvas.width, 1400)), 0, 0, size, size);
  drawScale(pen, size);
  const inFront = [...paths].sort((a, b) => (a.slug === inspected) - (b.slug === inspected));
  for (const { slug, steps } of inFront) {
    const points = [start, ...steps.slice(0, t).map((step) => step.w)].map((w) => place(w, size));
    drawPath(pen, points, LAB.methods[slug], slug === inspected);
    if (slug === inspected) drawLookAhead(pen, points.at(-2), steps[t - 1], LAB.methods[slug].color, size);
  }
  drawRing(pen, place(start, size), 5, LAB.ink);
  for (const { slug, steps } of inFront) {
    const end = steps[Math.min(t, steps.length) - 1]?.w ?? start;
    drawMarker(pen, place(end, size), LAB.methods[slug], 14);
  }
}

function drawScale(pen, size) {
  pen.fillStyle = pen.strokeStyle = LAB.ink;
  pen.lineWidth = 1;
  for (let n = 1 - LAB.side; n < LAB.side; n++) {
    const at = across(n, size);
    pen.textAlign = "center";
    pen.fillText(minus(n), at, size - 8);
    pen.textAlign = "left";
    pen.fillText(minus(n), 8, across(-n, size) + 4);
    for (const ends of [[at, size, at, size - 4], [0, at, 4, at]]) line(pen, ...ends);
  }
  pen.font = "italic 14px system-ui, sans-serif";
  pen.fillText("x", size - 14, size - 8);
  pen.fillText("y", 8, 16);
}

function drawPath(pen, points, { color, dash }, inspected) {
  const width = inspected ? 2.4 : 1.8;
  const trail = () => {
    pen.beginPath();
    points.forEach((point) => pen.lineTo(...point));
    pen.stroke();
  };
  [pen.strokeStyle, pen.lineWidth] = ["#ffffffb0", width + 2.5];
  trail();
  [pen.strokeStyle, pen.lineWidth] = [color, width];
  pen.setLineDash(dash.map((length) => length * width));
  trail();
  pen.setLineDash([]);
  pen.fillStyle = color;
  if (inspected) points.forEach(([x, y]) => pen.fillRect(x - 2, y - 2, 4, 4));
}

// Rings where the gradients of the latest step were taken, if not at the weights.
function drawLookAhead(pen, from, step, color, size) {
  const points = step ? step.taken.map((point) => place(point, size)) : [];
  const aside = points.filter(([x, y]) => Math.hypot(x - from[0], y - from[1]) > 0.5);
  for (const point of aside) drawRing(pen, point, 4, color);
}

function drawRing(pen, [x, y], radius, color) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = ["#ffffff", color, 1.6];
  pen.fill();
  pen.stroke();
}

function drawMarker(pen, [x, y], { marker, color }, size) {
  pen.beginPath();
  for (const outline of marker) {
    outline.forEach(([u, v], i) => pen[i ? "lineTo" : "moveTo"](x + u * size, y - v * size));
    pen.closePath();
  }
  [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = [color, "#ffffff", 1.5];
  pen.fill();
  pen.stroke();
}
