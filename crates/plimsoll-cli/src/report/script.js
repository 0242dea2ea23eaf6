'use strict';
(() => {
  const body = document.body;
  const errors = [];
  window.onerror = (message) => { errors.push(String(message)); body.dataset.errors = errors.join(' | '); };
  document.documentElement.classList.add('js');

  const bytes = (n) => {
    const units = [['TiB', 2 ** 40], ['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 1024]];
    for (const [name, size] of units) if (n >= size) return (n / size).toFixed(2) + ' ' + name;
    return n + ' B';
  };
  const time = (ns) => {
    if (ns < 1e3) return Math.round(ns) + ' ns';
    if (ns < 1e6) return (ns / 1e3).toFixed(1) + ' µs';
    if (ns < 1e9) return (ns / 1e6).toFixed(1) + ' ms';
    if (ns < 120e9) return (ns / 1e9).toFixed(2) + ' s';
    const s = Math.round(ns / 1e9), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return (h ? h + ' h ' : '') + m + ' min ' + (s % 60) + ' s';
  };
  const make = (name, text, parent) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };

  /* One chart: hover and arrow keys show a moment, dragging zooms, the legend hides and shows. */
  function chart(figure) {
    const data = JSON.parse(figure.querySelector('script').textContent);
    const plot = figure.querySelector('.plot');
    const svgs = figure.querySelectorAll('svg');
    const ticks = figure.querySelector('.x');
    const reset = figure.querySelector('.reset');
    const first = ticks.innerHTML;
    const cursor = make('div', undefined, plot), frame = make('div', undefined, plot), tip = make('div', undefined, plot);
    cursor.className = 'cursor'; frame.className = 'window'; tip.className = 'tip';
    tip.setAttribute('role', 'status');
    const hidden = new Set();
    let from = 0, to = data.n, at = null, drag = null;

    function restack() {
      const bands = figure.querySelectorAll('path.band');
      const sum = new Array(data.n).fill(0);
      for (let band = 0; band < data.series.length; band++) {
        if (!hidden.has(band)) for (let i = 0; i < data.n; i++) sum[i] += data.series[band].v[i];
        const path = figure.querySelector('path.band[data-band="' + band + '"]');
        if (!path) continue;
        path.style.display = hidden.has(band) ? 'none' : '';
        let d = 'M0 1000', last = 1000;
        for (let i = 0; i < data.n; i++) {
          const y = Math.round(1000 - 1000 * Math.min(1, sum[i] * data.unit / data.top));
          if (y !== last) { d += 'H' + i + 'V' + y; last = y; }
        }
        path.setAttribute('d', d + 'H' + data.n + 'V1000Z');
      }
      body.dataset.restacked = bands.length;
    }

    function zoom(a, b) {
      from = Math.max(0, Math.min(a, b)); to = Math.min(data.n, Math.max(a, b));
      if (to - from < 4) { const middle = (from + to) / 2; from = Math.max(0, middle - 2); to = Math.min(data.n, from + 4); }
      for (const svg of svgs) {
        const height = svg.viewBox.baseVal.height;
        svg.setAttribute('viewBox', from + ' 0 ' + (to - from) + ' ' + height);
      }
      const whole = from === 0 && to === data.n;
      reset.disabled = whole;
      if (whole) { ticks.innerHTML = first; } else {
        ticks.textContent = '';
        for (let i = 0; i <= 4; i++) {
          const span = make('span', time((from + (to - from) * i / 4) / data.n * data.ns), ticks);
          span.style.left = i * 25 + '%';
          if (i === 4) span.className = 'end'; else if (i % 2) span.className = 'odd';
        }
      }
      hide();
    }

    function hide() { cursor.style.display = tip.style.display = frame.style.display = 'none'; at = null; }

    function show(i) {
      at = Math.max(Math.ceil(from), Math.min(Math.ceil(to) - 1, i));
      const left = 100 * (at + .5 - from) / (to - from);
      cursor.style.display = 'block'; cursor.style.left = left + '%';
      tip.textContent = '';
      make('h4', time(data.ns * at / data.n) + ' – ' + time(data.ns * (at + 1) / data.n), tip);
      const row = (color, name, value, rule) => {
        const line = make('div', undefined, tip), sw = make('i', undefined, line);
        sw.className = rule ? 'sw rule' : 'sw';
        sw.style[rule ? 'borderColor' : 'background'] = color;
        make('em', name, line); make('b', value, line);
      };
      const shown = (value) => data.percent ? value / 10 + '%' : bytes(value * data.unit);
      for (let band = data.series.length - 1; band >= 0; band--) {
        const series = data.series[band];
        if (!hidden.has(band) && series.v[at] > 0) row(series.c, series.name, shown(series.v[at]));
      }
      if (data.total) row('transparent', 'leased', shown(data.total[at]));
      for (const curve of data.curves) if (curve.v[at] !== null) row(curve.c, curve.name, shown(curve.v[at]), true);
      for (const mark of data.marks) {
        const found = mark.v.find((pair) => pair[0] === at);
        if (found) row(mark.c, mark.name, mark.count ? String(found[1]) : bytes(found[1]));
      }
      tip.style.display = 'block';
      const width = plot.clientWidth, x = left / 100 * width, own = tip.offsetWidth;
      tip.style.left = Math.max(-50, Math.min(width - own, x + 14 + own > width ? x - own - 14 : x + 14)) + 'px';
    }

    const bucket = (event) => {
      const box = plot.getBoundingClientRect();
      return from + (to - from) * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    plot.addEventListener('pointermove', (event) => {
      const i = bucket(event);
      show(Math.floor(i));
      if (drag !== null) {
        const a = 100 * (Math.min(drag, i) - from) / (to - from), b = 100 * (Math.max(drag, i) - from) / (to - from);
        frame.style.display = 'block'; frame.style.left = a + '%'; frame.style.width = b - a + '%';
      }
    });
    plot.addEventListener('pointerdown', (event) => { if (event.pointerType === 'mouse') { drag = bucket(event); } });
    window.addEventListener('pointerup', (event) => {
      if (drag === null) return;
      const i = bucket(event), began = drag;
      drag = null; frame.style.display = 'none';
      if (Math.abs(i - began) > (to - from) / 100) zoom(Math.floor(Math.min(began, i)), Math.ceil(Math.max(began, i)));
    });
    plot.addEventListener('pointerleave', () => { if (drag === null) hide(); });
    plot.addEventListener('dblclick', () => zoom(0, data.n));
    plot.addEventListener('blur', hide);
    plot.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? Math.ceil((to - from) / 20) : 1;
      const middle = at === null ? (from + to) / 2 : at;
      const keys = {
        ArrowLeft: () => show((at === null ? Math.floor(middle) : at) - step),
        ArrowRight: () => show((at === null ? Math.floor(middle) : at) + step),
        '+': () => { const keep = Math.floor(middle); zoom(middle - (to - from) / 4, middle + (to - from) / 4); show(keep); },
        '-': () => zoom(middle - (to - from), middle + (to - from)),
        Escape: () => zoom(0, data.n),
      };
      if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
    });
    reset.addEventListener('click', () => zoom(0, data.n));
    reset.disabled = true;
    for (const button of figure.querySelectorAll('.legend button')) {
      button.disabled = false;
      button.addEventListener('click', () => {
        const band = Number(button.dataset.band);
        if (hidden.has(band)) hidden.delete(band); else hidden.add(band);
        button.setAttribute('aria-pressed', String(!hidden.has(band)));
        restack();
      });
    }
    restack();
    return data.n;
  }

  /* Tables are sorted by clicking a heading. */
  function sortable(table) {
    const heads = table.tHead.rows[0].cells;
    for (const [column, head] of Array.from(heads).entries()) {
      const label = head.textContent;
      if (!label) continue;
      head.textContent = '';
      make('button', label, head).addEventListener('click', () => {
        const up = head.getAttribute('aria-sort') === 'descending';
        for (const other of heads) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        const rows = Array.from(table.tBodies[0].rows);
        const key = (row) => { const cell = row.cells[column]; return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v); };
        rows.sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
          return up ? order : -order;
        });
        table.tBodies[0].append(...rows);
      });
    }
  }

  let charts = 0;
  for (const figure of document.querySelectorAll('figure.chartbox')) { chart(figure); charts += 1; }
  for (const table of document.querySelectorAll('table.sortable')) sortable(table);
  body.dataset.charts = charts;
  body.dataset.script = 'ran';
})();
