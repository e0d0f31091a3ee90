// The map of all movies, and the pages of a movie, an actor and a cluster, from embedded data.
// Text from the data is only ever inserted as text, never as markup.
(() => {
  'use strict';
  const SHOWN = 8, COUNTED = 1000, NEAREST = 5, BREAK = '\n', END = '\u0001', UNRATED = 255, NOWHERE = 65535, EDGE = 65534;
  const CATEGORIES = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#a6761d', '#b2df8a', '#7a3db8',
    '#e7298a', '#8c8c00', '#1b9e9e'];
  const RAMP = ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725']; // viridis
  const byId = (id) => document.getElementById(id);
  const query = byId('query'), matches = byId('matches'), status = byId('status'), found = byId('found');
  const count = new Intl.NumberFormat('en');
  let data, map = null, marked = [];

  // Base64 of gzip of a JSON header and of arrays; see imdbclust/running/explorer_data.py.
  async function unpack() {
    const packed = atob(JSON.parse(byId('data').textContent));
    const bytes = Uint8Array.from(packed, (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const buffer = await new Response(stream).arrayBuffer();
    const bytesOf = new Uint8Array(buffer), length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const arrays = {};
    let offset = 4 + length;
    for (const [name, [size, n]] of Object.entries(header.arrays)) {
      const values = new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size](n);
      for (let byte = 0; byte < size; byte++, offset += n) {
        for (let k = 0; k < n; k++) values[k] |= bytesOf[offset + k] << (8 * byte);
      }
      arrays[name] = values;
    }
    for (const name of ['cast', 'genre', 'posterior', 'career', 'expected', 'alone']) {
      arrays[name + '_start'] = running(arrays[name + '_count']);
    }
    const whole = (ids, texts) => ids.map((id, k) =>
      [texts[k], texts[k].replaceAll(' ', '_'), ''][id[0]] + id.slice(1));
    header.movie_ids = whole(header.movie_ids, header.titles);
    header.actor_ids = whole(header.actor_ids, header.names);
    return { ...header, arrays };
  }
  function running(counts) {
    const starts = new Uint32Array(counts.length + 1);
    for (let k = 0; k < counts.length; k++) starts[k + 1] = starts[k] + counts[k];
    return starts;
  }
  const row = (name, k, of = name) => {
    const starts = data.arrays[name + '_start'];
    return data.arrays[of].subarray(starts[k], starts[k + 1]);
  };
  const onMap = (k) => data.arrays.x[k] !== NOWHERE;
  // The nearest movies on the map, nearest first; ties are broken by row
  function nearest(k) {
    const { x, y } = data.arrays, best = [];
    if (!onMap(k)) return best;
    for (let m = 0; m < data.titles.length; m++) {
      const square = (x[m] - x[k]) ** 2 + (y[m] - y[k]) ** 2;
      if (m === k || !onMap(m) || (best.length === NEAREST && square >= best[NEAREST - 1].square)) continue;
      let rank = best.length;
      while (rank && best[rank - 1].square > square) rank--;
      best.splice(rank, 0, { m, square });
      best.length = Math.min(best.length, NEAREST);
    }
    return best.map(({ m }) => m);
  }
  // Why two movies are near: the actors of both, or actors who play together in a third movie
  function whyNear(k, other) {
    const own = new Set(row('cast', k)), theirs = row('cast', other);
    const shared = Array.from(theirs).filter((a) => own.has(a));
    if (shared.length) return joined(shared.map(actor));
    for (const a of own) for (const m of data.playedIn(a)) {
      const b = row('cast', m).find((one) => theirs.includes(one));
      if (b !== undefined) return joined([actor(a), ' played with ', actor(b), ' in ', movie(m)], '');
    }
    return data.texts.no_link;
  }
  const pause = () => new Promise((resolve) => setTimeout(resolve));

  // Remove accents, case, punctuation and symbols from names; emoji stay
  const PLAIN = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd', ð: 'd', þ: 'th', ı: 'i' };
  const fold = (text) => text.normalize('NFKD').replace(/[\p{M}\p{Cf}'’`]+/gu, '').toLowerCase()
    .replace(/[ßæœøłđðþı]/g, (char) => PLAIN[char]).replace(/[\p{P}\p{Z}\p{Sm}\p{Sc}\p{Sk}\t]+/gu, ' ');

  // One long text with a line for each item: its name, END, and further search terms.
  function index(names, more) {
    const lines = fold(names.join(BREAK)).split(BREAK);
    const starts = new Uint32Array(lines.length + 1);
    let at = 1;
    for (let k = 0; k < lines.length; k++) {
      lines[k] = (lines[k].trim() || names[k].toLowerCase()) + END + more(k);
      starts[k] = at;
      at += lines[k].length + 1;
    }
    starts[lines.length] = at;
    return { text: BREAK + lines.join(BREAK) + BREAK, starts };
  }
  function lineAt(starts, position) {
    let low = 0, high = starts.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= position) low = middle; else high = middle;
    }
    return low;
  }
  // Matching lines: whole names, then prefixes of names, then prefixes of words, then substrings,
  // then prefixes of words in any order. Within each, the most prominent come first.
  function search({ text, starts }, wanted, into, kind) {
    const seen = new Set(), words = wanted.split(' ');
    const longest = words.reduce((one, other) => (other.length > one.length ? other : one));
    const patterns = [BREAK + wanted + END, BREAK + wanted, ' ' + wanted, wanted, longest];
    patterns.forEach((pattern, quality) => {
      if (quality === 4 && words.length < 2) return;
      let at = text.indexOf(pattern);
      while (at >= 0 && seen.size < COUNTED) {
        const k = lineAt(starts, pattern[0] === BREAK ? at + 1 : at);
        const line = quality < 4 ? '' : ' ' + text.slice(starts[k], starts[k + 1]).replace(END, ' ');
        if (!seen.has(k) && (quality < 4 || words.every((word) => line.includes(' ' + word)))) {
          seen.add(k);
          into.push({ kind, k, quality });
        }
        at = text.indexOf(pattern, starts[k + 1] - 1);
      }
    });
  }
  function searchAll(typed) {
    const wanted = fold(typed).trim() || typed.trim().toLowerCase();
    const hits = [];
    if (!wanted) return hits;
    const exact = typed.trim().toLowerCase();
    for (const kind of ['movie', 'actor']) {
      const k = data.byId[kind].get(typed.trim()) ?? data.byLower[kind].get(exact);
      if (k !== undefined) hits.push({ kind, k, quality: 0 });
      search(data.index[kind], wanted, hits, kind);
    }
    search(data.index.cluster, wanted, hits, 'cluster');
    const unique = new Map(hits.map((hit) => [hit.kind + hit.k, hit]));
    return [...unique.values()];
  }

  // Elements
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== ''));
    return element;
  }
  // a name keeps its own direction; after a number such as #3, it does not exchange places with it
  function name(text) {
    const mixed = isolated(text);
    const alone = mixed === text || mixed.startsWith('\u2068');
    return alone ? make('bdi', {}, text) : make('bdi', { dir: 'ltr' }, mixed);
  }
  const title = (k) => data.titles[k].trim() || data.movie_ids[k];
  const person = (k) => data.names[k].trim() || data.actor_ids[k];
  const year = (k) => (data.arrays.year[k] ? ` (${data.arrays.year[k]})` : '');
  const label = (group) => {
    const { cluster, name: text } = data.clusters[group];
    return cluster < 0 ? text : `#${cluster} ${text}`;
  };
  function swatch(group) {
    return patch(data.clusters[group].color);
  }
  function patch(color) {
    const element = make('span', { class: 'swatch', 'aria-hidden': 'true' });
    if (color) element.style.background = readable(color);
    return element;
  }
  const ids = {
    movie: (k) => data.movie_ids[k],
    actor: (k) => data.actor_ids[k],
    cluster: (k) => String(data.clusters[k].cluster),
  };
  const address = (kind, k) => `#${kind}=${encodeURIComponent(ids[kind](k))}`;
  const link = (kind, k, ...children) => make('a', { href: address(kind, k) }, ...children);
  const movie = (k) => link('movie', k, name(title(k)), year(k));
  const actor = (k) => link('actor', k, name(person(k)));
  const cluster = (group) => make('span', {}, swatch(group), link('cluster', group, name(label(group))));
  const counted = (n, noun) => `${count.format(n)} ${noun}${n === 1 ? '' : 's'}`;
  const amount = (n) => (n < COUNTED ? count.format(n) : `more than ${count.format(COUNTED)}`);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  function bar(share, text) {
    const strip = make('span', { class: 'bar', 'aria-hidden': 'true' });
    strip.style.width = `${Math.max(0.5, 100 * share)}%`;
    return make('span', { class: 'measure' }, make('span', { class: 'track' }, strip), text);
  }
  // The first cell is the row header; a heading that starts with # marks a column of numbers.
  function table(caption, headings, rows) {
    const cells = (list, tag) => list.map((cell, place) => make(
      tag === 'th' || place === 0 ? 'th' : 'td',
      {
        class: headings[place][0] === '#' ? 'number' : null,
        scope: tag === 'th' ? 'col' : place === 0 ? 'row' : null,
      },
      tag === 'th' ? cell.replace('#', '') : cell,
    ));
    return make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
      make('table', {}, make('caption', {}, caption),
        make('thead', {}, make('tr', {}, ...cells(headings, 'th'))),
        make('tbody', {}, ...rows.map((cellsOfRow) => make('tr', {}, ...cells(cellsOfRow, 'td'))))));
  }
  const facts = (pairs) => make('dl', { class: 'provenance' }, ...pairs.filter(([, value]) => value)
    .map(([term, value]) => make('div', {}, make('dt', {}, term), make('dd', {}, value))));
  function joined(items, between = ', ') {
    const parts = make('span');
    items.forEach((item, place) => parts.append(...(place ? [between, item] : [item])));
    return parts;
  }
  const heading = (text) => make('h3', {}, text);

  // The genres with the largest probabilities of a movie or an actor; `more` adds cells
  function genreTable(kind, k, caption, headings = [], more = () => []) {
    const codes = row(kind, k, `${kind}_genre`);
    return codes.length ? table(caption, ['Genre', 'Probability', ...headings],
      Array.from(row(kind, k), (chance, place) => [name(data.genres[codes[place]]),
        bar(chance / data.scale, percent(chance / data.scale)), ...more(place)]))
      : make('p', {}, data.texts.no_genres);
  }
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);

  // The views of a movie, an actor, a cluster
  function showMovie(k) {
    const group = data.arrays.group[k], cast = row('cast', k), rating = data.arrays.rating[k];
    const genres = Array.from(row('genre', k), (code) => name(data.genres[code]));
    const parts = [
      facts([
        ['Cluster', make('span', {}, cluster(group), `, ${counted(data.clusters[group].movies, 'movie')}`)],
        ['Cast', cast.length ? joined(Array.from(cast, (a) =>
          make('span', {}, actor(a), ` (${count.format(moviesOf(a))})`))) : 'unknown'],
        ['Genres', genres.length ? joined(genres) : 'unknown'],
        ['Rating', rating === UNRATED ? '' : (rating / data.rating_scale).toFixed(1)],
        ['Id', name(data.movie_ids[k])],
      ]),
      heading(data.texts.genres_of_cast),
    ];
    const others = cast.reduce((sum, a) => sum + moviesOf(a) - 1, 0);
    parts.push(genreTable('expected', k,
      filled(data.texts.genres_caption, { n_movies: counted(others, 'other movie') })),
    heading(data.texts.cluster_of_cast));
    const chances = row('posterior', k), groups = row('posterior', k, 'posterior_group');
    parts.push(chances.length ? table(
      'Pr[cluster | cast] by Bayes’ theorem; the movie itself is included',
      ['Cluster', 'Probability'],
      Array.from(chances, (chance, place) =>
        [cluster(groups[place]), bar(chance / data.scale, percent(chance / data.scale))]),
    ) : make('p', {}, 'The cast gives no hint: none of its actors is in a placed movie.'));
    parts.push(heading('Which movies are nearest?'));
    const near = nearest(k);
    parts.push(near.length ? table(data.texts.nearest, ['Movie', 'Cluster', 'Why near'],
      near.map((other) => [movie(other), cluster(data.arrays.group[other]), whyNear(k, other)]))
      : make('p', {}, data.texts.no_nearest));
    marked = [[k, true], ...near.map((other) => [other, false])];
    return { text: title(k) + year(k), lead: 'Movie', parts };
  }
  const moviesOf = (a) => row('career', a).reduce((sum, n) => sum + n, 0);
  function showActor(a) {
    const counts = row('career', a), groups = row('career', a, 'career_group'), n = moviesOf(a);
    const order = [...counts.keys()].sort((one, other) => counts[other] - counts[one] || one - other);
    const played = Array.from(data.playedIn(a))
      .sort((one, other) => data.arrays.year[one] - data.arrays.year[other] || one - other);
    const together = new Map();
    for (const m of played) for (const b of row('cast', m)) {
      if (b !== a) together.set(b, (together.get(b) || 0) + 1);
    }
    const partners = [...together].sort((one, other) => other[1] - one[1] || one[0] - other[0]).slice(0, 5);
    const missing = n - played.length, decades = new Map();
    for (const m of played) {
      const decade = Math.floor(data.arrays.year[m] / 10) * 10;
      if (decade) decades.set(decade, (decades.get(decade) || 0) + 1);
    }
    marked = played.map((m) => [m, false]);
    const only = make('button', { type: 'button' }, data.texts.only_actor);
    only.addEventListener('click', () => { state.filter.star = a; filtered(); });
    return {
      text: person(a),
      lead: 'Actor',
      parts: [
        facts([['Movies', count.format(n)], ['Id', data.actor_ids[a] === person(a) ? '' : name(data.actor_ids[a])]]),
        map ? only : null,
        heading(data.texts.genres_of_actor),
        genreTable('alone', a, filled(data.texts.actor_caption, { n_movies: counted(n, 'movie') }),
          ['#Movies with the genre'], (place) => [count.format(row('alone', a, 'alone_movies')[place])]),
        heading('In which clusters?'),
        table('Movies by cluster; lift is Pr[cluster | actor] / Pr[cluster]',
          ['Cluster', '#Movies', 'Pr[cluster | actor]', '#Lift'],
          order.map((place) => {
            const share = counts[place] / n, size = data.clusters[groups[place]].movies;
            return [cluster(groups[place]), count.format(counts[place]), bar(share, percent(share)),
              (share / (size / data.n_movies)).toFixed(2)];
          })),
        heading('When?'),
        decades.size ? timeline(decades) : make('p', {}, data.texts.no_years),
        heading('With whom?'),
        partners.length ? table('The most frequent co-actors', ['Actor', '#Movies together'],
          partners.map(([b, times]) => [actor(b), count.format(times)])) : make('p', {}, 'No co-actor is on this page.'),
        heading('In which movies?'),
        make('ul', { class: 'plain' }, ...played.map((m) =>
          make('li', {}, swatch(data.arrays.group[m]), movie(m)))),
        missing ? make('p', {}, `${counted(missing, 'more movie')} not on this page.`) : null,
      ],
    };
  }
  function showCluster(group) {
    const about = data.clusters[group], size = about.movies;
    const standing = (caption, rows, kind) => (rows.length ? table(caption,
      [kind, '#Movies here', '#All movies', '#Lift'],
      rows.map(([text, here, all, lift]) => [kind === 'Actor' ? actorNamed(text) : name(text),
        count.format(here), count.format(all), lift.toFixed(2)])) : make('p', {}, `${caption}: none.`));
    marked = about.typical.map((m) => [m, false]);
    return {
      text: label(group),
      lead: 'Cluster',
      swatch: group,
      parts: [
        facts([
          ['Movies', `${count.format(size)}, ${percent(size / data.n_movies)} of all`],
          ['Years', about.years && `${about.years} (middle half of its movies)`],
          ['Nearest cluster', about.nearest === null ? '' : cluster(about.nearest)],
        ]),
        heading('Which actors are characteristic?'),
        standing('Characteristic actors', about.actors, 'Actor'),
        heading('Which genres are characteristic?'),
        standing('Characteristic genres', about.genres, 'Genre'),
        heading('When were they made?'),
        about.decades.length ? timeline(new Map(about.decades)) : make('p', {}, data.texts.no_years),
        heading('Which movies are typical?'),
        about.typical.length ? make('ul', { class: 'plain' }, ...about.typical.map((m) => make('li', {}, movie(m))))
          : make('p', {}, 'No typical movie is on this page.'),
      ],
    };
  }
  // A bar for every decade from the first to the last
  function timeline(decades, caption = 'Movies by decade') {
    const all = [...decades.keys()], most = Math.max(...decades.values()), rows = [];
    for (let decade = Math.min(...all); decade <= Math.max(...all); decade += 10) {
      const n = decades.get(decade) || 0;
      rows.push([`${decade}s`, bar(n / most, count.format(n))]);
    }
    return table(caption, ['Decade', 'Movies'], rows);
  }
  function actorNamed(text) {
    const first = data.names.indexOf(text);
    return first >= 0 && data.names.indexOf(text, first + 1) < 0 ? actor(first) : name(text);
  }
  function showAll() {
    const used = data.clusters.map((about, group) => group).filter((group) => data.clusters[group].movies);
    return { text: 'The clusters', lead: '', parts: [table('All clusters of this run',
      ['Cluster', '#Movies', 'Share of all'],
      used.map((group) => {
        const size = data.clusters[group].movies;
        return [cluster(group), count.format(size), bar(size / data.n_movies, percent(size / data.n_movies))];
      }))] };
  }

  let shown = '';
  function show(moved) {
    if (moved && !location.hash.includes('=') && location.hash.length > 1) return; // an anchor
    shown = location.hash;
    const given = parsed(location.hash);
    if (map) restore(given);
    const [kind, id] = given.item;
    marked = [];
    state.item = [kind, -1];
    const views = { movie: showMovie, actor: showActor, cluster: showCluster };
    let view;
    if (!Object.hasOwn(views, kind)) {
      view = showAll();
    } else {
      const k = data.byId[kind].get(id);
      if (k !== undefined) state.item = [kind, k];
      view = k === undefined
        ? { text: 'Not on this page', lead: '', parts: [make('p', {}, `This page has no ${kind} with the id `, name(id), '.')] }
        : views[kind](k);
    }
    const head = make('h2', { tabindex: '-1' }, view.swatch === undefined ? '' : swatch(view.swatch), name(view.text));
    found.replaceChildren(view.lead ? make('p', { class: 'eyebrow' }, view.lead) : '', head, ...view.parts.filter(Boolean));
    document.title = `${view.text} – map – imdbclust`;
    if (map) {
      map.look.rings = marked;
      if (state.item[0] === 'movie' && state.item[1] >= 0) map.reveal(state.item[1]);
      changed();
    }
    if (moved) { head.focus({ preventScroll: true }); head.scrollIntoView({ block: 'nearest' }); }
  }

  // The state of the map. Its address is `#movie=ID&view=x,y,zoom&color=decade&years=1930-1940`
  // with `genre`, `star` (the id of an actor), `box` (a selection) and `a` (the one kept as A).
  const emptyFilter = () => ({ box: null, from: 0, to: 0, genre: -1, star: -1 });
  const state = { item: ['', -1], color: 'cluster', filter: emptyFilter(), kept: null };
  const isEmpty = ({ box, from, to, genre, star }) => !box && !from && !to && genre < 0 && star < 0;
  let mask = null; // 1 for the movies that the filters and the selection leave; null for all
  const dark = window.matchMedia('(prefers-color-scheme: dark)');

  function parsed(hash) {
    const given = { item: ['', ''] };
    for (const part of hash.slice(1).split('&')) {
      const at = part.indexOf('='), key = part.slice(0, at);
      let value = part.slice(at + 1);
      try { value = decodeURIComponent(value); } catch (error) { /* keep it as it is */ }
      if (['movie', 'actor', 'cluster'].includes(key)) given.item = [key, value]; else given[key] = value;
    }
    return given;
  }
  const numbers = (text, n) => {
    const list = String(text).split(',').map(Number);
    return list.length === n && list.every(Number.isFinite) ? list : null;
  };
  function filterOf({ box, years = '', genre, star }) {
    const [from, to] = /^\d{0,4}-\d{0,4}$/.test(years) ? years.split('-').map(Number) : [0, 0];
    const found = data.byId.actor.get(star);
    return { box: numbers(box, 4), from, to, genre: data.genres.indexOf(genre), star: found === undefined ? -1 : found };
  }
  function describe({ box, from, to, genre, star }) {
    return [['box', box && box.join(',')], ['years', (from || to) && `${from || ''}-${to || ''}`],
      ['genre', genre >= 0 && data.genres[genre]], ['star', star >= 0 && data.actor_ids[star]]]
      .filter(([, value]) => value).map(([key, value]) => `&${key}=${encodeURIComponent(value)}`).join('');
  }
  function restore(given) {
    if (['box', 'years', 'genre', 'star', 'color', 'a', 'view'].some((key) => key in given) || !given.item[0]) {
      state.filter = filterOf(given);
      state.kept = 'a' in given ? filterOf(parsed(`#${given.a}`)) : null;
      const offered = [...byId('color').options].some(({ value }) => value === given.color);
      state.color = offered ? given.color : 'cluster';
      const place = numbers(given.view, 3);
      if (place && place[2] > 0) map.goTo({ x: place[0], y: place[1], zoom: place[2] });
      showFilter();
    }
  }
  // The address of the map without the movie, actor or cluster
  function rest() {
    if (!map) return '';
    const { x, y, zoom } = map.view;
    const at = zoom === 1 && x === EDGE / 2 && y === EDGE / 2 ? ''
      : `&view=${Math.round(x)},${Math.round(y)},${Number(zoom.toPrecision(4))}`;
    const color = state.color === 'cluster' ? '' : `&color=${state.color}`;
    const kept = state.kept ? `&a=${encodeURIComponent(describe(state.kept).slice(1))}` : '';
    return at + color + describe(state.filter) + kept;
  }
  function remember() {
    const [kind, k] = state.item;
    const item = kind && k >= 0 ? address(kind, k).slice(1) : '', all = (item + rest()).replace(/^&/, '');
    const hash = all ? `#${all}` : '';
    if (hash === location.hash || (kind && k < 0)) return;
    history.replaceState(null, '', hash || location.pathname + location.search);
    shown = location.hash;
  }

  // Colours
  const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  const light = ([red, green, blue]) => (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
  function readable(color) { // dark colours become lighter on a dark page, light ones darker on a light page
    const parts = rgb(color), value = light(parts), to = dark.matches ? 255 : 0;
    const mix = dark.matches ? Math.max(0, 0.42 - value) : Math.max(0, value - 0.72);
    return `#${parts.map((one) => Math.round(one + (to - one) * mix).toString(16).padStart(2, '0')).join('')}`;
  }
  const pixel = (color, alpha = 255) => {
    const [red, green, blue] = rgb(color);
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  };
  function ramp(share) {
    const at = Math.min(0.999, Math.max(0, share)) * (RAMP.length - 1), low = Math.floor(at);
    const [one, other] = [rgb(RAMP[low]), rgb(RAMP[low + 1])];
    return `#${one.map((part, c) => Math.round(part + (other[c] - part) * (at - low)).toString(16).padStart(2, '0')).join('')}`;
  }
  // Each way to colour has the legend's entries and the entry of every movie (-1: grey)
  const coloring = {
    cluster: () => ({
      entries: data.clusters.map((about, group) => [label(group), about.color, ['cluster', group]]).filter(([, color]) => color),
      of: (k) => (data.clusters[data.arrays.group[k]].color ? data.arrays.group[k] : -1),
    }),
    era: () => ({
      entries: data.levels[0].groups.map(([text], code) => [text, CATEGORIES[code % CATEGORIES.length]]),
      of: (k) => data.arrays.era[k] - 1,
    }),
    decade: () => {
      const decades = [...new Set(Array.from(data.arrays.year, (one) => Math.floor(one / 10)))].filter(Boolean).sort((a, b) => a - b);
      const place = new Map(decades.map((decade, at) => [decade, at]));
      return {
        entries: decades.map((decade, at) => [`${decade}0s`, ramp(at / Math.max(1, decades.length - 1))]),
        of: (k) => place.get(Math.floor(data.arrays.year[k] / 10)) ?? -1,
      };
    },
    genre: () => { // the rarest of a movie's genres among the most common ones
      const sizes = new Uint32Array(data.genres.length);
      for (const code of data.arrays.genre) sizes[code]++;
      const common = [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a]).slice(0, CATEGORIES.length);
      return {
        entries: common.map((code, at) => [data.genres[code], CATEGORIES[at]]),
        of: (k) => row('genre', k).reduce((best, code) => Math.max(best, common.indexOf(code)), -1),
      };
    },
    rating: () => ({
      entries: [...Array(10).keys()].map((at) => [`${at} to ${at + 1}`, ramp(at / 9)]),
      of: (k) => (data.arrays.rating[k] === UNRATED ? -1 : Math.min(9, Math.floor(data.arrays.rating[k] / data.rating_scale))),
    }),
  };
  function paint() {
    const { entries, of } = coloring[state.color]();
    const grey = pixel(dark.matches ? '#6b7480' : '#9aa2ad');
    const pixels = entries.map(([, color]) => pixel(readable(color)));
    for (const k of map.order) map.look.colors[k] = pixels[of(k)] ?? grey;
    const style = getComputedStyle(document.documentElement);
    const [text, background, accent] = ['--text', '--bg', '--accent'].map((one) => style.getPropertyValue(one).trim());
    map.look.theme = { text, background, accent };
    map.look.faint = pixel(dark.matches ? '#39424e' : '#dfe3e8');
    byId('legend').replaceChildren(...entries.map(([text, color, item]) =>
      make('li', {}, patch(color), item ? link(...item, name(text)) : name(text))));
    map.redraw();
  }

  // Filters, selection and what is in it
  function maskOf(filter) {
    if (isEmpty(filter)) return null;
    const { x, y, year: years } = data.arrays, { box, from, to, genre, star } = filter;
    const own = star >= 0 ? new Set(data.playedIn(star)) : null, found = new Uint8Array(x.length);
    for (const k of map.order) {
      if (box && (x[k] < box[0] || y[k] < box[1] || x[k] > box[2] || y[k] > box[3])) continue;
      if ((from && years[k] < from) || (to && (years[k] > to || !years[k]))) continue;
      if (genre >= 0 && !row('genre', k).includes(genre)) continue;
      if (own && !own.has(k)) continue;
      found[k] = 1;
    }
    return found;
  }
  function summary(chosen) {
    const { year: years, group } = data.arrays, of = () => new Map();
    const found = { n: 0, decades: of(), clusters: of(), genres: of(), actors: of() };
    const add = (counts, key) => counts.set(key, (counts.get(key) || 0) + 1);
    const genres = new Uint32Array(data.genres.length), actors = new Uint32Array(data.names.length);
    for (const k of map.order) {
      if (chosen && !chosen[k]) continue;
      found.n++;
      if (years[k]) add(found.decades, Math.floor(years[k] / 10) * 10);
      add(found.clusters, group[k]);
      for (const code of row('genre', k)) genres[code]++;
      if (k < data.titles.length) for (const a of row('cast', k)) actors[a]++;
    }
    genres.forEach((n, code) => { if (n) found.genres.set(code, n); });
    actors.forEach((n, a) => { if (n) found.actors.set(a, n); });
    return found;
  }
  function showSelection() {
    const side = byId('selection'), empty = !mask && !state.kept;
    side.hidden = empty;
    byId('clear').disabled = empty;
    if (empty) return;
    const parts = [[state.kept ? 'B' : '', summary(mask)]];
    if (state.kept) parts.unshift(['A', summary(maskOf(state.kept))]);
    const size = ([letter, { n }]) => `${letter ? `${letter}: ` : ''}${count.format(n)} of ${counted(map.order.length, 'movie')}`;
    byId('selected').textContent = byId('spoken').textContent = parts.map(size).join('; ');
    byId('keep').hidden = isEmpty(state.filter);
    const compare = (caption, kind, key, text, most) => {
      const shares = ([, found], code) => (found[key].get(code) || 0) / Math.max(1, found.n);
      const best = (code) => Math.max(...parts.map((part) => shares(part, code)));
      const all = [...new Set(parts.flatMap(([, found]) => [...found[key].keys()]))];
      const codes = most ? all.sort((one, other) => best(other) - best(one)).slice(0, most) : all.sort((one, other) => one - other);
      const top = Math.max(...codes.map(best), 1e-9);
      return codes.length ? table(caption, [kind, ...parts.map(([letter]) => `${letter} movies`.trim())],
        codes.map((code) => [text(code), ...parts.map((part) =>
          bar(shares(part, code) / top, (state.kept ? '' : `${count.format(part[1][key].get(code) || 0)}, `) + percent(shares(part, code))))])) : '';
    };
    byId('statistics').replaceChildren(
      compare('Decades', 'Decade', 'decades', (decade) => `${decade}s`),
      compare('Genres', 'Genre', 'genres', (code) => name(data.genres[code]), 6),
      compare('Actors', 'Actor', 'actors', actor, 6),
      compare('Clusters', 'Cluster', 'clusters', cluster, 6),
    );
  }
  // Show the state: colours of all movies, or of those that pass
  function changed() {
    mask = maskOf(state.filter);
    map.look.bright = mask || maskOfItem(...state.item);
    showSelection();
    map.redraw();
    remember();
  }
  function maskOfItem(kind, k) {
    if (k < 0 || kind === 'movie') return null;
    if (kind === 'actor') return maskOf({ ...emptyFilter(), star: k });
    return Uint8Array.from(data.arrays.group, (group) => group === k);
  }
  function filtered() {
    showFilter();
    changed();
  }
  function showFilter() {
    const { from, to, genre, star } = state.filter;
    byId('from').value = from || '';
    byId('to').value = to || '';
    byId('genre').value = genre;
    byId('star').hidden = star < 0;
    byId('star').replaceChildren(...(star < 0 ? [] : [data.texts.only, ' ', name(person(star)), ' ✕']));
    if (byId('color').value !== state.color) byId('color').value = state.color;
    paint();
  }

  // A spreadsheet runs a text that begins with = as a formula; an apostrophe marks it as text
  const guarded = (text) => (/^'*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text);
  function csv() {
    const cell = (value) => `"${guarded(String(value)).replaceAll('"', '""')}"`;
    const lines = ['movie_id,title,year,cluster,genres,actors'];
    for (let k = 0; k < data.titles.length; k++) {
      if (!onMap(k) || (mask && !mask[k])) continue;
      lines.push([cell(data.movie_ids[k]), cell(data.titles[k]), data.arrays.year[k] || '',
        data.clusters[data.arrays.group[k]].cluster, cell(Array.from(row('genre', k), (code) => data.genres[code]).join('; ')),
        cell(Array.from(row('cast', k), person).join('; '))].join(','));
    }
    return `${lines.join('\n')}\n`;
  }

  // Labels: the outer levels first, then actors, then titles
  function labelLayers() {
    const { x, y } = data.arrays, middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    const levels = data.levels.map(({ level, groups }) => groups.map(([text, n, at, down], code) => {
      const [first, ...more] = text.split(': ');
      return { text: first, more: more.join(': '), n, x: at, y: down, open: level === 'cluster' ? ['cluster', code] : null };
    }).filter((one) => one.x !== undefined).sort((one, other) => other.n - one.n));
    const actors = []; // at the movie that is nearest to the middle of their movies
    for (let a = 0; a < data.names.length && actors.length < 3000; a++) {
      const own = Array.from(data.playedIn(a)).filter(onMap);
      if (own.length < 4) continue;
      const at = [middle(own.map((k) => x[k])), middle(own.map((k) => y[k]))];
      const away = (k) => (x[k] - at[0]) ** 2 + (y[k] - at[1]) ** 2;
      const k = own.reduce((best, one) => (away(one) < away(best) ? one : best));
      actors.push({ text: person(a), x: x[k], y: y[k], open: ['actor', a] });
    }
    const titles = [];
    for (let k = 0; k < data.titles.length; k++) {
      if (onMap(k)) titles.push({ text: cutShort(title(k)), x: x[k], y: y[k], above: true, open: ['movie', k] });
    }
    // the zooms between which each level is shown
    const spans = levels.length > 1 ? [[0, 1.7], [0, 7], [3, 30]] : [[0, 12]];
    return (zoom, near) => [
      ...levels.map((labels, at) => ({ labels, size: 16 - 2 * at, span: spans[at], heading: levels.length > 1 && !at }))
        .filter(({ span }) => zoom >= span[0] && zoom < span[1]),
      ...(zoom >= (levels.length > 1 ? 5 : 2.2) ? [{ labels: actors, size: 12 }] : []),
      ...(near ? [{ labels: titles, size: 11 }] : []),
    ];
  }
  const cutShort = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

  let hovered = -1;
  function hover(k, px, py, speak) {
    const tip = byId('tip');
    if (k < 0) tip.hidden = true;
    if (k >= 0 && k !== hovered) {
      const known = k < data.titles.length, cast = known ? Array.from(row('cast', k).subarray(0, 4), person) : [];
      tip.replaceChildren(make('strong', {}, name(known ? title(k) : data.texts.untitled), year(k)),
        make('span', {}, name(label(data.arrays.group[k]))),
        cast.length ? make('span', {}, name(cast.join(', '))) : '');
      if (speak) byId('spoken').textContent = tip.innerText.replaceAll('\n', '. ');
    }
    if (k >= 0) {
      tip.hidden = false;
      const canvas = byId('map'), right = px > canvas.clientWidth / 2;
      tip.style.left = right ? '' : `${px + 14}px`;
      tip.style.right = right ? `${canvas.clientWidth - px + 14}px` : '';
      tip.style.top = `${Math.min(py + 14, canvas.clientHeight - 90)}px`;
    }
    hovered = k;
  }
  function startMap() {
    if (!data.arrays.x.some((value) => value !== NOWHERE)) return;
    const make_option = (value, text) => make('option', { value }, text);
    byId('stage').hidden = byId('controls').hidden = false;
    const layers = labelLayers();
    map = movieMap(byId('map'), { x: data.arrays.x, y: data.arrays.y, edge: EDGE, nowhere: NOWHERE }, {
      layers,
      hover,
      open: (kind, k) => { if (kind !== 'movie' || k < data.titles.length) choose(kind, k); },
      select: (box, done) => {
        if (done) selectMode(false);
        state.filter.box = box;
        mask = maskOf(state.filter);
        map.look.bright = mask;
        showSelection();
        map.redraw();
        if (done) remember();
      },
      selected: () => state.filter.box,
      moved: remember,
    });
    const ways = { cluster: 'cluster', era: 'era', decade: 'decade', genre: 'genre', rating: 'rating' };
    if (!data.arrays.era) delete ways.era;
    if (data.arrays.rating.every((one) => one === UNRATED)) delete ways.rating;
    byId('color').append(...Object.entries(ways).map(([value, text]) => make_option(value, text)));
    const sorted = data.genres.map((text, code) => [code, text]);
    byId('genre').append(make_option(-1, 'all'), ...sorted.map(([code, text]) => make_option(code, text)));
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    const year_of = (id) => Math.max(0, Math.min(9999, Math.floor(Number(byId(id).value)) || 0));
    on('color', 'change', () => { state.color = byId('color').value; paint(); remember(); });
    on('genre', 'change', () => { state.filter.genre = Number(byId('genre').value); changed(); });
    on('from', 'change', () => { state.filter.from = year_of('from'); changed(); });
    on('to', 'change', () => { state.filter.to = year_of('to'); changed(); });
    on('star', 'click', () => { state.filter.star = -1; filtered(); byId('genre').focus(); });
    on('nearer', 'click', () => map.zoomBy(1.6));
    on('farther', 'click', () => map.zoomBy(1 / 1.6));
    on('whole', 'click', map.showAll);
    on('select', 'click', () => selectMode(byId('select').getAttribute('aria-pressed') !== 'true'));
    on('select-view', 'click', () => { state.filter.box = map.area().map(Math.round); changed(); });
    on('keep', 'click', () => { state.kept = state.filter; state.filter = emptyFilter(); filtered(); byId('map').focus(); });
    on('clear', 'click', () => { state.filter = emptyFilter(); state.kept = null; filtered(); byId('map').focus(); });
    on('save', 'click', () => {
      const address = URL.createObjectURL(new Blob([csv()], { type: 'text/csv' }));
      make('a', { href: address, download: 'movies.csv' }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    });
    dark.addEventListener('change', () => { paint(); show(false); });
    data.map = map; // for measurements
    paint();
  }
  function selectMode(on) {
    byId('select').setAttribute('aria-pressed', String(on));
    map.select(on);
  }

  // The list of matches (WAI-ARIA: combobox with a grouped listbox)
  let options = [], active = -1;
  function close() {
    matches.hidden = true;
    query.setAttribute('aria-expanded', 'false');
    query.removeAttribute('aria-activedescendant');
    active = -1;
  }
  function list() {
    const hits = data?.index?.actor ? searchAll(query.value) : [];
    const groups = { actor: [], movie: [], cluster: [] };
    for (const hit of hits) groups[hit.kind].push(hit);
    const order = Object.keys(groups).filter((kind) => groups[kind].length)
      .sort((one, other) => groups[one][0].quality - groups[other][0].quality);
    options = [];
    active = -1;
    matches.replaceChildren(...order.map((kind) => {
      const words = { movie: 'Movies', actor: 'Actors', cluster: 'Clusters' }, all = groups[kind].length;
      const size = all > SHOWN ? `: ${SHOWN} of ${amount(all)}` : '';
      const group = make('div', { role: 'group', 'aria-labelledby': `group-${kind}` },
        make('p', { id: `group-${kind}`, class: 'eyebrow', role: 'presentation' }, words[kind] + size));
      for (const { k } of groups[kind].slice(0, SHOWN)) group.append(option(kind, k));
      return group;
    }));
    const typed = query.value.trim() !== '';
    matches.hidden = !options.length;
    query.setAttribute('aria-expanded', String(options.length > 0));
    query.removeAttribute('aria-activedescendant');
    if (!data?.index?.actor) return;
    const n = options.length;
    const all = amount(hits.length);
    status.textContent = !typed ? '' : n ? `${n < hits.length ? `${n} of ${all}` : n} matches` : 'No matches';
  }
  function option(kind, k) {
    const text = { movie: () => title(k), actor: () => person(k), cluster: () => label(k) }[kind]();
    const more = { movie: () => year(k), actor: () => ` ${counted(moviesOf(k), 'movie')}`,
      cluster: () => ` ${counted(data.clusters[k].movies, 'movie')}` }[kind]();
    const group = { movie: () => data.arrays.group[k], cluster: () => k }[kind];
    const element = make('div', { role: 'option', id: `option-${options.length}`, 'aria-selected': 'false' },
      group ? swatch(group()) : '', name(text), make('span', { class: 'more' }, more));
    element.addEventListener('mousedown', (event) => event.preventDefault());
    element.addEventListener('click', () => choose(kind, k));
    options.push({ element, kind, k });
    return element;
  }
  function activate(place) {
    if (!options.length) return;
    options[active]?.element.setAttribute('aria-selected', 'false');
    active = (place + options.length) % options.length;
    const { element } = options[active];
    element.setAttribute('aria-selected', 'true');
    query.setAttribute('aria-activedescendant', element.id);
    element.scrollIntoView({ block: 'nearest' });
  }
  function choose(kind, k) {
    close();
    status.textContent = '';
    location.hash = address(kind, k) + rest();
    show(true); // at once; the hashchange event comes later
  }
  query.addEventListener('input', list);
  query.addEventListener('focus', () => { if (query.value && matches.hidden) list(); });
  query.addEventListener('blur', close);
  query.addEventListener('keydown', (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const open = !matches.hidden;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (!open) list();
      activate(event.key === 'ArrowDown' ? active + 1 : active < 0 ? -1 : active - 1);
    } else if (event.key === 'Enter' && open && options.length) {
      const { kind, k } = options[Math.max(0, active)];
      choose(kind, k);
    } else if (event.key === 'Escape' && open) {
      close();
    } else return;
    event.preventDefault();
  });
  window.addEventListener('hashchange', () => { if (data && location.hash !== shown) show(true); });

  async function start() {
    byId('app').hidden = false;
    if (typeof DecompressionStream === 'undefined') {
      throw new Error('this browser is too old. The tables have the same data');
    }
    await pause(); // let the browser paint the page first
    data = await unpack();
    data.byId = {
      movie: new Map(data.movie_ids.map((id, k) => [id, k])),
      actor: new Map(data.actor_ids.map((id, k) => [id, k])),
      cluster: new Map(data.clusters.map((about, group) => [String(about.cluster), group])),
    };
    let starts, movies; // movies by actor, built on first use
    data.playedIn = (a) => {
      if (!starts) {
        const cast = data.arrays.cast, n = new Uint32Array(data.names.length);
        for (const one of cast) n[one]++;
        starts = running(n);
        movies = new Uint32Array(cast.length);
        const next = starts.slice();
        for (let m = 0; m < data.titles.length; m++) for (const one of row('cast', m)) movies[next[one]++] = m;
      }
      return movies.subarray(starts[a], starts[a + 1]);
    };
    startMap();
    show(false);
    await pause();
    const lower = (list) => new Map(list.map((id, k) => [id.toLowerCase(), k]));
    data.byLower = { movie: lower(data.movie_ids), actor: lower(data.actor_ids) };
    data.index = { cluster: index(data.clusters.map((about, group) => label(group)), (k) => `cluster ${data.clusters[k].cluster}`) };
    data.index.movie = index(data.titles.map((text, k) => text.trim() || data.movie_ids[k]), (k) => data.arrays.year[k] || '');
    await pause();
    data.index.actor = index(data.names, () => '');
    document.documentElement.dataset.ready = 'true';
    status.textContent = '';
    if (query.value) list();
  }
  status.textContent = 'Loading …';
  start().catch((error) => { status.textContent = `The map failed to start: ${error.message}.`; });
})();
