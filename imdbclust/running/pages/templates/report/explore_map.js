// The map of all movies on a canvas: points, labels, zooming, picking and selecting.
// It knows places and colours only; explore.js gives them a meaning.
function movieMap(canvas, places, hooks) {
  'use strict';
  const { x, y, edge, nowhere } = places;
  const CELLS = 256, LABELS = 44, REACH = 12, MARGIN = 0.94, MAX_ZOOM = 400;
  const TITLES = 160; // titles are written when no more movies are in the cells in view
  const context = canvas.getContext('2d');
  const shown = []; // movies with a place
  for (let k = 0; k < x.length; k++) if (x[k] !== nowhere) shown.push(k);
  const order = Uint32Array.from(shown);
  const look = { colors: new Uint32Array(x.length), bright: null, faint: 0, rings: [], theme: {} };
  const view = { x: edge / 2, y: edge / 2, zoom: 1 };
  let width = 0, height = 0, moving = false, frame = 0, settle = 0, image = null, drag = null;
  let rectangle = null, selecting = false, cross = false, written = [];
  const pointers = new Map(), widths = new Map();

  // Places and pixels
  const scale = () => (view.zoom * MARGIN * Math.min(width, height)) / edge;
  const toScreen = (k) => [(x[k] - view.x) * scale() + width / 2, (y[k] - view.y) * scale() + height / 2];
  const toPlace = (px, py) => [(px - width / 2) / scale() + view.x, (py - height / 2) / scale() + view.y];
  const between = (value, low, high) => Math.min(high, Math.max(low, value));
  const area = () => [...toPlace(0, 0), ...toPlace(width, height)];

  // A grid of cells, each with its movies, to find the movie at a place
  const cellOf = (k) => (y[k] >> 8) * CELLS + (x[k] >> 8);
  const starts = new Uint32Array(CELLS * CELLS + 1), items = new Uint32Array(order.length);
  const near = new Uint32Array(order.length);
  for (const k of order) starts[cellOf(k) + 1]++;
  for (let cell = 0; cell < CELLS * CELLS; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  for (const k of order) items[next[cellOf(k)]++] = k;

  function nearestAt(px, py, reach = REACH) {
    const [at, down] = toPlace(px, py), radius = reach / scale();
    const cell = (value) => between(Math.floor(value) >> 8, 0, CELLS - 1);
    let best = -1, limit = radius * radius;
    for (let row = cell(down - radius); row <= cell(down + radius); row++) {
      const from = starts[row * CELLS + cell(at - radius)], to = starts[row * CELLS + cell(at + radius) + 1];
      for (let place = from; place < to; place++) {
        const k = items[place];
        if (look.bright && !look.bright[k]) continue;
        const square = (x[k] - at) ** 2 + (y[k] - down) ** 2;
        if (square < limit) { limit = square; best = k; }
      }
    }
    return best;
  }

  // Points: an image of pixels for many, round shapes for few
  const diameter = () => between(0.42 * Math.sqrt((width * height) / Math.max(1, order.length)), 1, 5)
    * Math.min(5, view.zoom ** 0.4);
  function drawPoints(ratio) {
    const wide = canvas.width, high = canvas.height, s = scale() * ratio;
    const left = wide / 2 - view.x * s, top = high / 2 - view.y * s, size = diameter() * ratio;
    const points = view.zoom > 3 ? inView() : order;
    if (view.zoom > 3 && points.length < 4000) return drawRound(points, s, left, top, size / 2);
    if (!image || image.width !== wide || image.height !== high) image = context.createImageData(wide, high);
    const pixels = new Uint32Array(image.data.buffer), side = Math.max(1, Math.round(size));
    const spans = spansOf(side), half = side >> 1, { colors, bright, faint } = look;
    pixels.fill(0);
    for (let pass = bright ? 0 : 1; pass < 2; pass++) {
      for (let place = points.length - 1; place >= 0; place--) { // the best known last
        const k = points[place];
        if (bright && bright[k] !== pass) continue;
        const px = ((x[k] * s + left) | 0) - half, py = ((y[k] * s + top) | 0) - half;
        if (px < 0 || py < 0 || px + side > wide || py + side > high) continue;
        const color = pass ? colors[k] : faint;
        let at = py * wide + px;
        if (side < 3) { // most maps of many movies
          pixels[at] = color;
          if (side === 2) pixels[at + 1] = pixels[at + wide] = pixels[at + wide + 1] = color;
          continue;
        }
        for (let row = 0; row < side; row++, at += wide) {
          for (let column = spans[2 * row]; column < spans[2 * row + 1]; column++) pixels[at + column] = color;
        }
      }
    }
    context.putImageData(image, 0, 0);
    return points.length;
  }
  function spansOf(side) { // the first and last column of every row of a disc
    const spans = new Uint8Array(2 * side);
    for (let row = 0; row < side; row++) {
      const away = Math.abs(row + 0.5 - side / 2);
      const half = Math.sqrt((side / 2) ** 2 - away * away);
      spans[2 * row] = Math.round(side / 2 - half);
      spans[2 * row + 1] = Math.round(side / 2 + half);
    }
    return spans;
  }
  function inView() { // the movies of the cells in view; those of a row of cells are together
    const [left, top, right, bottom] = area().map((value) => between(Math.floor(value) >> 8, 0, CELLS - 1));
    let n = 0;
    for (let line = top; line <= bottom; line++) {
      const some = items.subarray(starts[line * CELLS + left], starts[line * CELLS + right + 1]);
      near.set(some, n);
      n += some.length;
    }
    return near.subarray(0, n);
  }
  function drawRound(seen, s, left, top, radius) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const paths = new Map();
    for (const k of seen) {
      const color = look.bright && !look.bright[k] ? look.faint : look.colors[k];
      if (!paths.has(color)) paths.set(color, new Path2D());
      const px = x[k] * s + left, py = y[k] * s + top, path = paths.get(color);
      path.moveTo(px + radius, py);
      path.arc(px, py, radius, 0, 7);
    }
    const faintFirst = [...paths].sort(([one], [other]) => (one !== look.faint) - (other !== look.faint));
    for (const [color, path] of faintFirst) {
      const [red, green, blue, alpha] = [0, 8, 16, 24].map((shift) => (color >>> shift) & 255);
      context.fillStyle = `rgba(${red},${green},${blue},${alpha / 255})`;
      context.fill(path);
    }
    return seen.length;
  }

  // Labels in layers that depend on the zoom; a label is left out where it would cover another one
  function drawLabels(n) {
    const boxes = [];
    const isFree = (box) => !boxes.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3]);
    const boxAt = (at, py, wide, high) => {
      const middle = between(py, high / 2 + 4, height - high / 2 - 4);
      return [at - wide / 2 - 4, middle - high / 2 - 2, at + wide / 2 + 4, middle + high / 2 + 2];
    };
    written = [];
    const layers = hooks.layers(view.zoom, n <= TITLES);
    for (const { labels, size: usual, heading } of layers) {
      const size = width < 500 ? Math.round(0.8 * usual) : usual;
      let tried = 0;
      for (const label of labels) {
        if (written.length >= LABELS || tried >= 300) break;
        const px = (label.x - view.x) * scale() + width / 2, py = (label.y - view.y) * scale() + height / 2;
        if (px < 0 || py < 0 || px > width || py > height) continue;
        tried++;
        const wide = Math.max(textWidth(label.text, size, 600), label.more ? textWidth(label.more, 11, 400) : 0);
        const high = size + 4 + (label.more ? 13 : 0);
        const at = between(px, wide / 2 + 6, Math.max(wide / 2 + 6, width - wide / 2 - 6));
        const offsets = label.above ? [-high / 2 - 8, high / 2 + 8] : [0, -high, high];
        const box = offsets.map((offset) => boxAt(at, py + offset, wide, high)).find(isFree);
        if (!box) continue;
        boxes.push(box);
        written.push({ label, box, at, top: box[1] + 2 + size, size, heading });
      }
    }
    context.textAlign = 'center';
    context.lineJoin = 'round';
    for (const { label, at, top, size, heading } of written) {
      write(label.text, at, top, size, 600, heading ? look.theme.accent : look.theme.text);
      if (label.more) write(label.more, at, top + 13, 11, 400, look.theme.text);
    }
  }
  const font = (size, weight) => `${weight} ${size}px system-ui, sans-serif`;
  function textWidth(text, size, weight) {
    const key = `${size} ${text}`;
    if (!widths.has(key)) {
      context.font = font(size, weight);
      widths.set(key, context.measureText(text).width);
    }
    return widths.get(key);
  }
  function write(name, at, top, size, weight, color) {
    const text = isolated(name);
    context.font = font(size, weight);
    context.strokeStyle = look.theme.background;
    context.lineWidth = 4;
    context.strokeText(text, at, top);
    context.fillStyle = color;
    context.fillText(text, at, top);
  }
  function drawMarks() {
    context.lineWidth = 2;
    context.strokeStyle = look.theme.background;
    const radius = Math.max(4.5, diameter() * 0.9);
    for (const [k, strong] of look.rings) {
      if (x[k] === nowhere) continue;
      const [px, py] = toScreen(k);
      context.beginPath();
      context.arc(px, py, radius, 0, 7);
      context.fillStyle = look.theme.accent;
      context.fill();
      context.stroke();
      if (strong) {
        context.beginPath();
        context.arc(px, py, radius + 7, 0, 7);
        context.strokeStyle = look.theme.text;
        context.stroke();
        context.strokeStyle = look.theme.background;
      }
    }
    context.strokeStyle = look.theme.accent;
    const box = rectangle || hooks.selected();
    if (box) {
      const s = scale(), corner = [(box[0] - view.x) * s + width / 2, (box[1] - view.y) * s + height / 2];
      context.setLineDash([6, 4]);
      context.strokeRect(...corner, (box[2] - box[0]) * s, (box[3] - box[1]) * s);
      context.setLineDash([]);
    }
    if (cross) {
      context.beginPath();
      context.moveTo(width / 2 - 10, height / 2);
      context.lineTo(width / 2 + 10, height / 2);
      context.moveTo(width / 2, height / 2 - 10);
      context.lineTo(width / 2, height / 2 + 10);
      context.stroke();
    }
  }
  function draw() {
    frame = 0;
    const ratio = moving ? 1 : Math.min(2, window.devicePixelRatio || 1);
    const wide = Math.round(width * ratio), high = Math.round(height * ratio);
    if (!wide || !high) return;
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    const n = drawPoints(ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawMarks();
    drawLabels(n);
  }
  const redraw = () => { frame ||= requestAnimationFrame(draw); };
  function moved() { // coarse while moving on a fine screen, fine afterwards
    moving = (window.devicePixelRatio || 1) > 1;
    clearTimeout(settle);
    settle = setTimeout(() => { moving = false; redraw(); hooks.moved(); }, 160);
    redraw();
  }

  // Moving
  function zoomBy(factor, px = width / 2, py = height / 2) {
    const [at, down] = toPlace(px, py);
    view.zoom = between(view.zoom * factor, 0.8, MAX_ZOOM);
    const [now, below] = toPlace(px, py);
    view.x += at - now;
    view.y += down - below;
    moved();
  }
  function pan(dx, dy) {
    view.x = between(view.x - dx / scale(), 0, edge);
    view.y = between(view.y - dy / scale(), 0, edge);
    moved();
  }
  function goTo(where) {
    Object.assign(view, where);
    moved();
  }
  function showAll() { goTo({ x: edge / 2, y: edge / 2, zoom: 1 }); }
  function reveal(k) { // move only if the movie is not in view
    if (x[k] === nowhere) return;
    const [px, py] = toScreen(k);
    if (px < 0 || py < 0 || px > width || py > height) goTo({ x: x[k], y: y[k] });
  }
  function look_at_centre() {
    cross = true;
    hooks.hover(nearestAt(width / 2, height / 2, 60), width / 2, height / 2, true);
    redraw();
  }

  function hideCross() {
    cross = false;
    hooks.hover(-1, 0, 0, false);
    redraw();
  }

  // Pointers: one moves or selects, two zoom
  const spot = (event) => {
    const bounds = canvas.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, spot(event));
    cross = false;
    hooks.hover(-1, 0, 0, false);
    drag = { from: spot(event), far: false, selects: selecting || event.shiftKey };
  });
  canvas.addEventListener('pointermove', (event) => {
    const here = spot(event), before = pointers.get(event.pointerId);
    if (!before) {
      hooks.hover(nearestAt(...here), ...here, false);
      return;
    }
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const away = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]);
      zoomBy(away(here) / Math.max(1, away(before)), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      drag.far = true;
    } else if (drag) {
      drag.far ||= Math.hypot(here[0] - drag.from[0], here[1] - drag.from[1]) > 4;
      if (drag.far && drag.selects) {
        const [one, other] = [toPlace(...drag.from), toPlace(...here)];
        rectangle = [Math.min(one[0], other[0]), Math.min(one[1], other[1]),
          Math.max(one[0], other[0]), Math.max(one[1], other[1])].map(Math.round);
        hooks.select(rectangle, false);
      } else if (drag.far) pan(here[0] - before[0], here[1] - before[1]);
    }
    pointers.set(event.pointerId, here);
  });
  const up = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    if (rectangle) {
      hooks.select(rectangle, true);
      rectangle = null;
    } else if (drag && !drag.far && event.type === 'pointerup') {
      const [px, py] = drag.from, k = nearestAt(px, py, event.pointerType === 'mouse' ? REACH : 20);
      const label = written.find(({ box }) => px > box[0] && px < box[2] && py > box[1] && py < box[3]);
      if (label && label.label.open) hooks.open(...label.label.open);
      else if (k >= 0) hooks.open('movie', k);
    }
    drag = null;
  };
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);
  canvas.addEventListener('pointerleave', () => hooks.hover(-1, 0, 0, false));
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoomBy(2 ** (-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), ...spot(event));
  }, { passive: false });
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0),
      ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
      '+': () => zoomBy(1.5), '=': () => zoomBy(1.5), '-': () => zoomBy(1 / 1.5), 0: showAll,
      s: () => hooks.select(area().map(Math.round), true),
      Enter: () => {
        const k = nearestAt(width / 2, height / 2, 60);
        if (k >= 0) hooks.open('movie', k);
      },
    };
    if (event.key === 'Escape') hideCross();
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
    look_at_centre();
  });
  canvas.addEventListener('focus', () => { if (canvas.matches(':focus-visible')) look_at_centre(); });
  canvas.addEventListener('blur', hideCross);
  new ResizeObserver(() => {
    ({ clientWidth: width, clientHeight: height } = canvas);
    redraw();
  }).observe(canvas);
  ({ clientWidth: width, clientHeight: height } = canvas);

  return {
    view, look, order, redraw, draw, zoomBy, goTo, showAll, reveal, nearestAt, area, toScreen,
    select: (on) => { selecting = on; canvas.classList.toggle('selecting', on); },
  };
}

// Right-to-left words change the order of nothing around them, as in `imdbclust.base.text.isolated`.
function isolated(text) {
  const words = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]+(?:\s+[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]+)*/g;
  return text.replace(words, '\u2068$&\u2069');
}
