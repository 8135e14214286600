// The ground: a surface in gray, lighter where it is higher, with contour lines.

// The place of a point of the square on a sheet of this size, and the reverse.
const across = (x, size) => ((x + LAB.side) / (2 * LAB.side)) * size;
const place = ([x, y], size) => [across(x, size), across(-y, size)];
const pointAt = (px, py, size) => [(px / size) * 2 * LAB.side - LAB.side, LAB.side - (py / size) * 2 * LAB.side];

const grounds = new Map(); // the one drawn last, by name and size

function ground(name, size) {
  const key = `${name} ${size}`;
  if (!grounds.has(key)) {
    grounds.clear();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const pen = canvas.getContext("2d");
    pen.putImageData(bands(name, size), 0, 0);
    contours(pen, name, size);
    grounds.set(key, canvas);
  }
  return grounds.get(key);
}

// Each pixel in the gray of its height.
function bands(name, size) {
  const image = new ImageData(size, size);
  const grays = LAB.grays.map((gray) => parseInt(gray.slice(1), 16));
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at += 4) {
      const height = SURFACES[name](...pointAt(column + 0.5, row + 0.5, size))[0];
      const gray = grays[levelAbove(height)];
      image.data.set([gray >> 16, (gray >> 8) & 255, gray & 255, 255], at);
    }
  }
  return image;
}

// The number of levels that a height reaches, by binary search.
function levelAbove(height) {
  let low = 0, high = LAB.levels.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (LAB.levels[middle] <= height) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Contour lines, straight within the cells of a mesh.
function contours(pen, name, size) {
  const cells = 240, step = size / cells;
  const rows = Array.from({ length: cells + 1 }, (_, row) =>
    Array.from({ length: cells + 1 }, (_, column) => SURFACES[name](...pointAt(column * step, row * step, size))[0]));
  pen.beginPath();
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      const corners = [[row, column], [row, column + 1], [row + 1, column + 1], [row + 1, column]];
      const heights = corners.map(([i, j]) => rows[i][j]);
      for (let level = levelAbove(Math.min(...heights)); level < levelAbove(Math.max(...heights)); level++) {
        cellLine(pen, corners, heights, LAB.levels[level], step);
      }
    }
  }
  pen.strokeStyle = "#8a8a8a";
  pen.lineWidth = size / 1000;
  pen.stroke();
}

// The points where the level crosses a cell's sides come in pairs; each pair is a piece of the contour.
function cellLine(pen, corners, heights, level, step) {
  let crossings = 0;
  for (let side = 0; side < 4; side++) {
    const next = (side + 1) % 4, a = heights[side], b = heights[next];
    if ((a < level) === (b < level)) continue;
    const share = (level - a) / (b - a), [i, j] = corners[side], [k, l] = corners[next];
    const point = [(j + share * (l - j)) * step, (i + share * (k - i)) * step];
    if (crossings++ % 2) pen.lineTo(...point);
    else pen.moveTo(...point);
  }
}
