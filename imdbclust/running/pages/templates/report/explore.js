// Look up a movie, an actor or a cluster in the data that the page embeds.
// Text from the data is only ever inserted as text, never as markup.
(() => {
  'use strict';
  const SHOWN = 8, NEAREST = 5, BREAK = '\n', END = '\u0001', MISSING = 65535;
  const byId = (id) => document.getElementById(id);
  const query = byId('query'), matches = byId('matches'), status = byId('status'), found = byId('found');
  const count = new Intl.NumberFormat('en');
  let data;

  // Base64 of gzip of a JSON header and of arrays; see imdbclust/running/explorer_data.py.
  async function unpack() {
    const packed = atob(JSON.parse(byId('data').textContent));
    const bytes = Uint8Array.from(packed, (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const buffer = await new Response(stream).arrayBuffer();
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const begin = 4 + Math.ceil(length / 4) * 4;
    const kinds = { u2: Uint16Array, u4: Uint32Array, i2: Int16Array };
    const arrays = {};
    for (const [name, [kind, offset, n]] of Object.entries(header.arrays)) {
      arrays[name] = new kinds[kind](buffer, begin + offset, n);
    }
    for (const name of ['cast', 'genre', 'posterior', 'career', 'expected', 'alone']) {
      arrays[name + '_start'] = running(arrays[name + '_count']);
    }
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
  // The nearest movies of a movie, nearest first; ties are broken by row. Coordinates are integers,
  // so sums are exact. Movies at zero have no neighbours and are never neighbours.
  function nearest(k) {
    const { place } = data.arrays, size = place.length / data.titles.length;
    const at = (m) => place.subarray(m * size, (m + 1) * size), own = at(k), best = [];
    if (!own.some(Boolean)) return [];
    let limit = Infinity; // squared distance of the last one
    for (let m = 0, start = 0; m < data.titles.length; m++, start += size) {
      let square = 0;
      for (let c = 0; c < size && square < limit; c++) {
        const away = own[c] - place[start + c];
        square += away * away;
      }
      if (square >= limit || m === k || !at(m).some(Boolean)) continue;
      let rank = best.length;
      while (rank && best[rank - 1].square > square) rank--;
      best.splice(rank, 0, { m, square });
      best.length = Math.min(best.length, NEAREST);
      if (best.length === NEAREST) limit = best[NEAREST - 1].square;
    }
    return best.map(({ m }) => m);
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
      while (at >= 0 && seen.size < SHOWN) {
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
  const name = (text) => make('bdi', {}, text);
  const title = (k) => data.titles[k].trim() || data.movie_ids[k];
  const person = (k) => data.names[k].trim() || data.actor_ids[k];
  const year = (k) => (data.arrays.year[k] ? ` (${data.arrays.year[k]})` : '');
  const label = (group) => {
    const { cluster, name: text } = data.clusters[group];
    return cluster < 0 ? text : `#${cluster} ${text}`;
  };
  function swatch(group) {
    const element = make('span', { class: 'swatch', 'aria-hidden': 'true' });
    if (data.clusters[group].color) element.style.background = data.clusters[group].color;
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
        ['Rating', rating === MISSING ? '' : (rating / 100).toFixed(1)],
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
    const own = new Set(cast), near = nearest(k);
    const size = data.arrays.place.length / data.titles.length;
    const space = size < data.n_components
      ? `first ${size} of the ${data.n_components} components that the clustering uses` : 'reduced space';
    parts.push(near.length ? table(
      `The nearest movies in the ${space}, nearest first`, ['Movie', 'Cluster', 'Shared actors'],
      near.map((other) => {
        const shared = Array.from(row('cast', other)).filter((a) => own.has(a));
        return [movie(other), cluster(data.arrays.group[other]),
          shared.length ? joined(shared.map(actor)) : 'none'];
      }),
    ) : make('p', {}, 'None: this movie, or every other movie here, has no position in this space.'));
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
    const missing = n - played.length;
    return {
      text: person(a),
      lead: 'Actor',
      parts: [
        facts([['Movies', count.format(n)], ['Id', data.actor_ids[a] === person(a) ? '' : name(data.actor_ids[a])]]),
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
    const most = Math.max(1, ...about.decades.map(([, n]) => n));
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
        about.decades.length ? table('Movies by decade', ['Decade', 'Movies'],
          about.decades.map(([decade, n]) => [`${decade}s`, bar(n / most, count.format(n))]))
          : make('p', {}, 'No movie in this cluster has a year.'),
        heading('Which movies are typical?'),
        about.typical.length ? make('ul', { class: 'plain' }, ...about.typical.map((m) => make('li', {}, movie(m))))
          : make('p', {}, 'No typical movie is on this page.'),
      ],
    };
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
    shown = location.hash;
    const hash = location.hash.slice(1), at = hash.indexOf('=');
    const kind = hash.slice(0, at);
    let id = hash.slice(at + 1);
    try { id = decodeURIComponent(id); } catch (error) { /* keep it as it is */ }
    const views = { movie: showMovie, actor: showActor, cluster: showCluster };
    let view;
    if (!Object.hasOwn(views, kind)) {
      if (moved && document.querySelector(`#${CSS.escape(hash)}`)) return; // an anchor on the page
      view = showAll();
    } else {
      const k = data.byId[kind].get(id);
      view = k === undefined
        ? { text: 'Not on this page', lead: '', parts: [make('p', {}, `This page has no ${kind} with the id `, name(id), '.')] }
        : views[kind](k);
    }
    const head = make('h2', { tabindex: '-1' }, view.swatch === undefined ? '' : swatch(view.swatch), name(view.text));
    found.replaceChildren(view.lead ? make('p', { class: 'eyebrow' }, view.lead) : '', head, ...view.parts.filter(Boolean));
    document.title = `${view.text} – explorer – imdbclust`;
    if (moved) { head.focus({ preventScroll: true }); head.scrollIntoView({ block: 'nearest' }); }
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
    const groups = { movie: [], actor: [], cluster: [] };
    for (const hit of hits) groups[hit.kind].push(hit);
    const order = Object.keys(groups).filter((kind) => groups[kind].length)
      .sort((one, other) => groups[one][0].quality - groups[other][0].quality);
    options = [];
    active = -1;
    matches.replaceChildren(...order.map((kind) => {
      const words = { movie: 'Movies', actor: 'Actors', cluster: 'Clusters' };
      const group = make('div', { role: 'group', 'aria-labelledby': `group-${kind}` },
        make('p', { id: `group-${kind}`, class: 'eyebrow', role: 'presentation' }, words[kind]));
      for (const { k } of groups[kind].slice(0, SHOWN)) group.append(option(kind, k));
      return group;
    }));
    const typed = query.value.trim() !== '';
    matches.hidden = !options.length;
    query.setAttribute('aria-expanded', String(options.length > 0));
    query.removeAttribute('aria-activedescendant');
    if (!data?.index?.actor) return;
    const n = options.length;
    status.textContent = !typed ? '' : n ? `${n} match${n === 1 ? '' : 'es'} shown` : 'No matches';
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
    location.hash = address(kind, k);
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
    byId('search').hidden = false;
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
  start().catch((error) => { status.textContent = `The explorer failed to start: ${error.message}.`; });
})();
