// The page: shows what is asked at once, draws the answers as they come, and keeps the conversation.
// Gradio carries questions and answers (ui.py); text reaches the page as text, or escaped by qa/render.py.

import {asMarkdown, forgetAll, keepTurn, lastChat, newChat, newId, setCurrent} from './chats.js';
import {closePane, openPane, setUpPane, visible} from './pane.js';
import {dayText, drawOutlets, filters, setUpSheets} from './sheets.js';

const $ = (selector, root = document) => root.querySelector(selector);
const TICK = 500; // milliseconds between looks at articles that are being opened
const REMEMBERED = 20; // turns that go with a question
const WAITING = '<p class="wait" role="status">Searching</p>';
const still = matchMedia('(prefers-reduced-motion: reduce)');
const waiting = new Map(); // what was asked and has no answer yet, by its id: {chat, asked}

let chat = lastChat();
let recalled = 0; // how many questions back the up arrow is

const box = () => $('#ask textarea');

function fill(text) {
  const field = box();
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set.call(field, text);
  field.dispatchEvent(new Event('input', {bubbles: true}));
  field.focus();
}

function send(text) {
  fill(text);
  setTimeout(() => $('#ask .submit-button').click(), 50); // Gradio takes the text over first
}

// --- turns ---

function element(id) {
  return document.getElementById(`turn-${id}`);
}

function addTurn(id, asked, html) {
  const turn = document.createElement('article');
  turn.id = `turn-${id}`;
  turn.className = 'turn';
  const question = document.createElement('h2');
  question.className = 'asked';
  question.dir = 'auto';
  question.textContent = visible(asked);
  const reply = document.createElement('div');
  reply.className = 'reply';
  reply.innerHTML = html;
  turn.append(question, reply);
  $('#turns').append(turn);
  return turn;
}

function drawChat() {
  $('#turns').replaceChildren();
  for (const turn of chat.turns) {
    addTurn(turn.id, turn.asked, turn.html);
    showVote(turn);
  }
  for (const [id, one] of waiting) if (one.chat.id === chat.id) addTurn(id, one.asked, WAITING);
  drawState();
}

function drawState() {
  const any = $('#turns').childElementCount > 0;
  document.body.classList.toggle('talking', any);
  $('#new').hidden = !any;
  $('#export').hidden = !chat.turns.length;
}

function toTurn(turn) {
  turn.scrollIntoView({block: 'start', behavior: still.matches ? 'auto' : 'smooth'});
}

// Called by Gradio with what was typed, before it is sent: gives what goes with it.
function begin(text) {
  const id = newId();
  recalled = 0;
  for (const notice of document.querySelectorAll('.turn.only-notice')) notice.remove();
  if (!text.trim()) {
    if (!waiting.size) failText(id, {chat, asked: ''}, 'Type a question first.');
    return [text, {id: ''}];
  }
  waiting.set(id, {chat, asked: text});
  toTurn(addTurn(id, text, WAITING));
  drawState();
  fill('');
  const turns = chat.turns.slice(-REMEMBERED).map(({question, answer, articles}) => ({question, answer, articles}));
  return [text, {id, turns, ...filters()}];
}

// What the server says of a question: a stage, an answer or a notice.
function receive(message) {
  if (!message?.id) return;
  const {id, stage, html, turn, notice} = message;
  const asked = waiting.get(id);
  if (!asked) return;
  if (stage) {
    const place = element(id) && $('.wait', element(id));
    if (place) place.textContent = stage;
    return;
  }
  waiting.delete(id);
  if (notice) return fail(id, asked, notice);
  const kept = {...turn, id, html, asked: asked.asked, vote: ''};
  asked.chat.turns.push(kept);
  keepTurn(asked.chat, kept);
  if (!element(id)) return; // another conversation was opened meanwhile
  if (asked.chat !== chat) chat.turns.push(kept); // it was opened again
  setCurrent(chat.id);
  $('.reply', element(id)).innerHTML = html;
  drawState();
  toTurn(element(id));
}

function fail(id, {chat: of, asked}, notice) {
  if (of.id !== chat.id) return; // another conversation was opened meanwhile
  const turn = element(id) || addTurn(id, asked, '');
  turn.classList.add('only-notice');
  if (!asked) $('.asked', turn).remove();
  $('.reply', turn).innerHTML = notice;
  drawState();
  if (asked && !box().value) fill(asked);
}

function failText(id, asked, text) {
  const notice = document.createElement('p');
  Object.assign(notice, {className: 'notice', role: 'alert', textContent: text});
  fail(id, asked, notice.outerHTML);
}

// Gradio tells the page nothing of a question that the server refused, so the page listens itself.
function watchRefusals() {
  const plain = window.fetch;
  window.fetch = async (...given) => {
    const asks = String(given[0]?.url || given[0]).includes('/queue/join');
    try {
      const reply = await plain(...given);
      if (asks && !reply.ok) refused(reply.status, given[1]?.body);
      return reply;
    } catch (error) {
      if (asks) refused(0, given[1]?.body);
      throw error;
    }
  };
}

// `body` is what Gradio sent: it names the question that was refused.
function refused(status, body) {
  const said = {
    0: 'The server cannot be reached. Is it still running?',
    401: 'Your login has ended. Load the page again to log in.',
    413: 'This question is too long.',
    503: 'Too many people are asking just now. Ask again in a moment.',
  }[status] || `The server refused the question (${status}).`;
  for (const [id, asked] of [...waiting]) {
    if (!String(body).includes(id)) continue;
    waiting.delete(id);
    failText(id, asked, said);
  }
}

// --- votes and copying ---

function turnOf(button) {
  const id = button.closest('.turn').id.slice('turn-'.length);
  return chat.turns.find(turn => turn.id === id);
}

function showVote(turn, said = '') {
  const shown = element(turn.id);
  if (!shown) return;
  for (const button of shown.querySelectorAll('[data-vote]'))
    button.setAttribute('aria-pressed', String(button.dataset.vote === turn.vote));
  const place = $('.said', shown);
  if (place) place.textContent = said;
}

// Give what the server says of a vote; `place` is where the right answer stands.
async function vote(turn, verdict, place = null) {
  const own = chat, at = chat.turns.indexOf(turn);
  const history = chat.turns.slice(Math.max(0, at - REMEMBERED), at).map(({question, answer}) => [question, answer]);
  const where = verdict === 'nowhere' ? null : place || turn.place;
  const body = {
    turn: turn.id, verdict: verdict === 'nowhere' ? 'up' : verdict, question: turn.question, typed: turn.asked,
    history: turn.question === turn.asked.trim() ? [] : history,
    ...(where && {article_id: where.article, start: where.start, end: where.end, quote: where.quote}),
  };
  try {
    const reply = await fetch('/page/vote', {
      method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body),
    });
    const {said, error, detail} = await reply.json();
    if (!reply.ok) return error || detail || 'The vote could not be kept.';
    turn.vote = {none: '', nowhere: 'down', right: 'down'}[verdict] ?? verdict;
    keepTurn(own, turn);
    showVote(turn, said);
    return said;
  } catch {
    return 'The vote could not be kept: the server cannot be reached.';
  }
}

async function press(button) {
  const turn = turnOf(button);
  if (!turn) return;
  const verdict = button.dataset.vote;
  const said = await vote(turn, turn.vote === verdict ? 'none' : verdict);
  showVote(turn, said);
  if (turn.vote === 'down' && turn.answer) offerNowhere(turn);
}

// After "this is wrong" of an answer: what is right may be in no article.
function offerNowhere(turn) {
  const nowhere = document.createElement('button');
  nowhere.type = 'button';
  nowhere.textContent = 'It is not in these articles';
  nowhere.addEventListener('click', () => vote(turn, 'nowhere'));
  $('.said', element(turn.id)).append('. ', nowhere);
}

async function copy(button) {
  const {plain} = turnOf(button);
  const said = $('.said', button.closest('.actions'));
  try {
    await navigator.clipboard.writeText(plain);
  } catch { // no clipboard without https: the old way
    const area = Object.assign(document.createElement('textarea'), {value: plain});
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  said.textContent = 'Copied.';
}

function download() {
  const file = new Blob([asMarkdown(chat)], {type: 'text/markdown'});
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(file), download: `citewire-${chat.when.slice(0, 10)}.md`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// --- conversations ---

function open(other) {
  if (other.id !== chat.id) chat = other;
  closePane();
  drawChat();
  setCurrent(chat.id);
  if (!chat.turns.length) window.scrollTo(0, 0);
  else toTurn(element(chat.turns.at(-1).id));
  box()?.focus();
}

// A conversation was deleted, or all were: what is being answered for it is not shown or kept.
function forgotten(id) {
  for (const [asked, one] of [...waiting]) if (id === undefined || id === one.chat.id) waiting.delete(asked);
  if (id === undefined || id === chat.id) open(newChat());
}

// --- the articles ---

async function look() {
  let about;
  try {
    about = await (await fetch('/page/about')).json();
  } catch {
    setTimeout(look, 4 * TICK);
    return;
  }
  $('#facts').textContent = about.facts;
  $('#show-add').hidden = !about.add;
  $('#logout').hidden = !about.login;
  drawOutlets(about.sources);
  $('#days').textContent = about.oldest ? `They are from ${dayText(about.oldest)} to ${dayText(about.newest)}.` : '';
  const opening = $('#opening'), bar = $('progress', opening);
  const closed = Boolean(about.status) && !about.facts;
  opening.hidden = !closed || Boolean(about.error);
  $('#promise').hidden = closed;
  $('.wait', opening).textContent = about.status;
  bar.hidden = !about.total;
  if (about.total) Object.assign(bar, {max: about.total, value: about.done});
  $('#failed').hidden = !about.error;
  $('#failed').textContent = about.error ? `Citewire could not start: ${about.error}.` : '';
  drawExamples(about.examples);
  if (!about.settled) setTimeout(look, TICK);
}

function drawExamples(questions) {
  const shown = [...document.querySelectorAll('#examples button')].map(button => button.dataset.question);
  if (shown.join('\n') === questions.join('\n')) return;
  $('#examples').replaceChildren(...questions.map(question => {
    const button = document.createElement('button');
    Object.assign(button, {type: 'button', textContent: visible(question)});
    Object.assign(button.dataset, {question, send: ''});
    return button;
  }));
}

// --- keys and clicks ---

function click(event) {
  const button = event.target.closest('button');
  if (!button) return;
  const {question, send: sends, vote: votes, article, copy: copies} = button.dataset;
  if (question !== undefined) sends === undefined ? fill(question) : send(question);
  else if (article !== undefined) openPane(button, turnOf(button));
  else if (votes !== undefined) press(button);
  else if (copies !== undefined) copy(button);
}

function key(event) {
  const typing = event.target.closest('input, textarea, select');
  if (event.key === '/' && !typing && !document.querySelector('dialog:modal')) {
    event.preventDefault();
    box().focus();
  }
  if (event.key === 'ArrowUp' && event.target === box() && (!box().value || recalled)) {
    const asked = chat.turns.at(-1 - recalled)?.asked;
    if (asked === undefined) return;
    recalled += 1;
    event.preventDefault();
    fill(asked);
  }
}

function start({props, watch}) {
  watch('value', () => receive(props.value));
  watchRefusals();
  setUpPane(vote);
  setUpSheets({
    onFilters: () => box()?.focus(),
    onAdded: look,
    openChat: open,
    onForgotten: forgotten,
  });
  $('#new').addEventListener('click', () => open(newChat()));
  $('#export').addEventListener('click', download);
  $('#logout').addEventListener('click', forgetAll); // the next person here is another one
  $('#page').addEventListener('click', click);
  document.addEventListener('input', event => { if (event.isTrusted && event.target === box()) recalled = 0; });
  document.addEventListener('keydown', key);
  drawChat();
  look();
  withBox();
}

// Gradio draws the question's box after the rest.
function withBox() {
  if (!box()) return setTimeout(withBox, 50);
  $('#ask').prepend($('#chosen'));
  box().focus({preventScroll: true});
}

window.citewire = {begin, start};
if (window.citewireWire) start(window.citewireWire);
