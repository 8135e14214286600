// What all pictures share: a sheet to draw on, lines, numbers as text.

// A canvas as sharp as the screen, with CSS pixels as its unit.
function sheet(canvas) {
  const { width, height } = canvas.getBoundingClientRect(), sharp = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  pen.lineJoin = "round";
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}

const minus = (text) => String(text).replaceAll("-", "−");
const short = (value) => minus(Number(value.toPrecision(3)).toString().replace(/e\+?/, "e"));

// Six digits: tests compare as many.
function exact(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "no number" : minus(value > 0 ? "∞" : "-∞");
  if (value === 0) return "0";
  const small = Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6;
  return minus(small ? value.toExponential(5) : value.toPrecision(6));
}
