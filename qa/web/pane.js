// The reading pane: an article with the quoted words marked, and the place to say what is right.
// Offsets are code points, as everywhere in Citewire; a browser counts UTF-16 units, so both ways convert.

const $ = (selector, root = document) => root.querySelector(selector);
const WIDE = matchMedia('(min-width: 1100px)');
// As qa.render: what reorders the text after it is shown as nothing; one unit for one, so offsets stay.
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

let shown = null; // {article, points, turn, from, range}
let opened = 0; // how many articles were asked for: only the last one is drawn
let vote = () => {};

const words = (start, end) => shown.points.slice(start, end).join('');
export const visible = text => text.replace(REORDERING, '\u200b');

export function setUpPane(onVote) {
  vote = onVote;
  const pane = $('#pane');
  $('.close', pane).addEventListener('click', closePane);
  pane.addEventListener('close', () => {
    document.body.classList.remove('reading');
    opened += 1; // what is on its way is not wanted any more
    if (shown?.from?.isConnected) shown.from.focus();
    shown = null;
  });
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && pane.open && !document.querySelector('dialog:modal')) closePane();
  });
  document.addEventListener('selectionchange', takeSelection);
  $('#right').addEventListener('input', () => { if (shown) shown.range = null; });
  $('#correct').addEventListener('submit', event => { event.preventDefault(); save(); });
}

export function closePane() {
  if ($('#pane').open) $('#pane').close();
}

// Open an article at a quote; `turn` is the question that it was quoted for.
export async function openPane(button, turn) {
  const {article: id, start, end, link, quote} = button.dataset;
  const own = ++opened;
  const pane = $('#pane');
  if (!pane.open) WIDE.matches ? pane.show() : pane.showModal();
  document.body.classList.toggle('reading', WIDE.matches);
  $('#pane-title').textContent = 'Opening the article…';
  for (const part of ['#pane-meta', '#pane-links', '#pane-text']) $(part).replaceChildren();
  $('#correct').reset();
  $('#correct .said').textContent = '';
  shown = null;
  let article;
  try {
    const reply = await fetch(`/api/article?id=${encodeURIComponent(id)}`);
    article = await reply.json();
    if (!reply.ok) throw new Error(typeof article.detail === 'string' ? article.detail : 'it cannot be opened');
    if (own !== opened) return;
  } catch (error) {
    if (own !== opened) return;
    $('#pane-title').textContent = 'This article cannot be opened';
    $('#pane-meta').textContent = visible(error.message);
    return;
  }
  shown = {article, points: Array.from(article.text), turn, from: button, range: null};
  draw(placeOf(Number(start), Number(end), quote), link);
  $('#pane .close').focus({preventScroll: true});
}

// Where a quote, as it is shown, stands: the article may have changed since; null if it has the words no more.
function placeOf(start, end, quote) {
  if (quote === undefined || visible(words(start, end)) === quote) return [start, end];
  return nearest(quote, words(0, start).length);
}

function draw(place, link) {
  const {article} = shown;
  $('#pane-title').textContent = visible(article.title || 'Untitled');
  const day = article.published && new Date(`${article.published}T12:00:00`)
    .toLocaleDateString('en-GB', {day: 'numeric', month: 'long', year: 'numeric'});
  $('#pane-meta').textContent = visible([article.author, article.source, day].filter(Boolean).join(' · '));
  if (/^https?:\/\/[^\s/]/i.test(article.url || '')) {
    for (const [text, address] of [['Open at this sentence ↗', link], ['Original page ↗', article.url]]) {
      if (!/^https?:\/\//i.test(address || '')) continue;
      const anchor = document.createElement('a');
      Object.assign(anchor, {href: address, target: '_blank', rel: 'noopener noreferrer', textContent: text});
      $('#pane-links').append(anchor);
    }
  }
  if (!place) {
    $('#pane-meta').append(' · It has changed since it was quoted: the words are not in it any more.');
    $('#pane-text').replaceChildren(visible(words(0)));
    return;
  }
  const [start, end] = place, mark = document.createElement('mark');
  mark.textContent = visible(words(start, end));
  $('#pane-text').replaceChildren(visible(words(0, start)), mark, visible(words(end)));
  const box = $('#pane .scroll');
  box.scrollTop = 0;
  box.scrollTop = mark.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
}

// The selected words become the right answer that can be saved.
function takeSelection() {
  const selection = getSelection();
  if (!shown || selection.isCollapsed || !selection.rangeCount) return;
  const range = selection.getRangeAt(0), text = $('#pane-text');
  if (!text.contains(range.startContainer) || !text.contains(range.endContainer)) return;
  const before = document.createRange();
  before.selectNodeContents(text);
  before.setEnd(range.startContainer, range.startOffset);
  const start = Array.from(before.toString()).length;
  const chosen = Array.from(range.toString());
  const lead = chosen.findIndex(point => point.trim());
  if (lead < 0) return;
  let end = chosen.length;
  while (!chosen[end - 1].trim()) end -= 1;
  shown.range = [start + lead, start + end];
  $('#right').value = words(...shown.range).replace(/\s+/g, ' ');
}

// The range of words in the article, nearest to a UTF-16 offset: "5" is not in "1995".
function nearest(wanted, offset) {
  const flat = visible(words(0)), letter = '[\\p{L}\\p{N}]';
  const plain = visible(wanted).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const whole = `(?<!${letter}(?=${letter}))${plain}(?!(?<=${letter})${letter})`;
  const found = [...flat.matchAll(new RegExp(whole, 'gu'))].map(match => match.index);
  if (!found.length) return null;
  const best = found.reduce((one, other) => Math.abs(other - offset) < Math.abs(one - offset) ? other : one);
  const start = Array.from(flat.slice(0, best)).length;
  return [start, start + Array.from(wanted).length];
}

async function save() {
  const said = $('#correct .said'), typed = $('#right').value.trim();
  if (!shown || !typed) {
    said.textContent = 'Select the words in the article first.';
    return;
  }
  const range = shown.range || nearest(typed, $('#pane-text').firstChild?.textContent.length || 0);
  if (!range) {
    said.textContent = 'These words are not in this article; type whole words as they stand there.';
    return;
  }
  const place = {article: shown.article.id, start: range[0], end: range[1], quote: words(...range)};
  said.textContent = await vote(shown.turn, 'right', place);
}
