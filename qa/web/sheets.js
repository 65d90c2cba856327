// The sheets around a conversation: filters, adding articles, earlier conversations.

import {allChats, forget, forgetAll} from './chats.js';
import {visible} from './pane.js';

const $ = (selector, root = document) => root.querySelector(selector);
const make = (tag, text = '', fields = {}) =>
  Object.assign(document.createElement(tag), {textContent: visible(text), ...fields});

export function setUpSheets({onFilters, onAdded, openChat, onForgotten}) {
  for (const name of ['filters', 'add', 'history'])
    $(`#show-${name}`).addEventListener('click', () => {
      if (name === 'history') drawChats(openChat, onForgotten);
      $(`#${name}`).showModal();
    });
  for (const close of document.querySelectorAll('.sheet .close'))
    close.addEventListener('click', () => close.closest('dialog').close());
  for (const sheet of document.querySelectorAll('.sheet'))
    sheet.addEventListener('click', event => { if (event.target === sheet) sheet.close(); });
  setUpFilters(onFilters);
  setUpAdding(onAdded);
  $('#forget').addEventListener('click', () => { forgetAll(); onForgotten(); drawChats(openChat, onForgotten); });
}

// "2026-06-01" as "1 Jun 2026".
export const dayText = text =>
  new Date(`${text}T12:00:00`).toLocaleDateString('en-GB', {day: 'numeric', month: 'short', year: 'numeric'});

// --- filters ---

let drawn = ''; // the outlets that are on the page

export function drawOutlets(sources) {
  const now = JSON.stringify(sources);
  if (drawn === now) return; // drawn again, a box would lose the focus
  drawn = now;
  const chosen = new Set(filters().sources);
  $('#outlets').replaceChildren(...sources.map(([name, count]) => {
    const label = make('label'), box = make('input', '', {type: 'checkbox', value: name, checked: chosen.has(name)});
    label.append(box, ` ${visible(name)} `, make('small', String(count)));
    return label;
  }));
  $('#outlets').parentElement.hidden = !sources.length;
}

export function filters() {
  const sources = [...document.querySelectorAll('#outlets input:checked')].map(box => box.value);
  return {sources, since: $('#since').value || null, until: $('#until').value || null};
}

function setUpFilters(onFilters) {
  const show = () => {
    const {sources, since, until} = filters();
    const wrong = since && until && since > until;
    $('#filters-wrong').hidden = !wrong;
    $('#filters-wrong').textContent = wrong ? 'The last day is before the first.' : '';
    const parts = [sources.join(', '), since && `from ${dayText(since)}`, until && `to ${dayText(until)}`].filter(Boolean);
    const chosen = $('#chosen');
    chosen.hidden = !parts.length;
    const clear = make('button', '✕', {type: 'button', ariaLabel: 'Ask all articles again'});
    clear.addEventListener('click', () => { clearAll(); onFilters(); });
    chosen.replaceChildren(visible(`Only ${parts.join(', ')} `), clear);
    return !wrong;
  };
  const clearAll = () => {
    for (const box of document.querySelectorAll('#outlets input:checked')) box.checked = false;
    $('#since').value = $('#until').value = '';
    show();
  };
  $('#filters').addEventListener('change', show);
  $('#filters form').addEventListener('submit', event => { if (!show()) event.preventDefault(); });
  $('#filters').addEventListener('close', () => { if (!show()) clearAll(); onFilters(); });
  $('#all').addEventListener('click', clearAll);
}

// --- adding articles ---

function setUpAdding(onAdded) {
  const sheet = $('#add'), drop = $('#drop');
  $('#files').addEventListener('change', async event => {
    const files = [...event.target.files];
    event.target.value = '';
    await addFiles(files, onAdded);
  });
  $('#from-url').addEventListener('submit', async event => {
    event.preventDefault();
    const url = $('#url').value.trim();
    event.target.reset();
    const options = {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({url})};
    await add(url, options, onAdded);
  });
  document.addEventListener('dragover', event => {
    if ($('#show-add').hidden || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    if (!sheet.open) sheet.showModal();
    drop.classList.add('over');
  });
  document.addEventListener('dragleave', () => drop.classList.remove('over'));
  document.addEventListener('drop', event => {
    drop.classList.remove('over');
    if ($('#show-add').hidden || !event.dataTransfer.files.length) return;
    event.preventDefault();
    addFiles([...event.dataTransfer.files], onAdded);
  });
}

async function addFiles(files, onAdded) {
  for (const file of files) {
    const headers = {'Content-Type': 'application/octet-stream', 'X-File-Name': encodeURIComponent(file.name)};
    await add(file.name, {method: 'POST', headers, body: file}, onAdded);
  }
}

// The server says how far it is in lines of JSON; the last one is what came of it.
async function add(name, options, onAdded) {
  const line = make('li', `${name}: sending`);
  $('#added').append(line);
  let last = {};
  try {
    const reply = await fetch('/page/articles', options);
    if (!reply.ok) {
      const {error, detail} = await reply.json();
      throw new Error(error || detail);
    }
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (text + part.value).split('\n');
      text = lines.pop();
      for (const step of lines.filter(Boolean)) {
        last = JSON.parse(step);
        if (last.stage) line.textContent = visible(`${name}: ${last.stage} ${last.done}${last.total ? ` of ${last.total}` : ''}`);
      }
    }
  } catch (error) {
    last = {error: error.message || 'the server cannot be reached'};
  }
  line.textContent = visible(`${name}: ${last.error || last.said || 'stopped before the end'}`);
  line.className = last.error ? 'wrong' : 'done';
  for (const {name: skipped, reason} of last.skipped || []) line.append(make('small', `${skipped}: ${reason}`));
  if (!last.error) onAdded();
}

// --- earlier conversations ---

function drawChats(openChat, onForgotten) {
  const chats = allChats();
  $('#forget').hidden = !chats.length;
  $('#chats').replaceChildren(...chats.map(chat => {
    const item = make('li'), title = chat.turns[0].asked;
    const open = make('button', title, {type: 'button', className: 'chat', dir: 'auto'});
    open.append(make('small', `${new Date(chat.when).toLocaleDateString('en-GB')}, ${chat.turns.length} question${chat.turns.length > 1 ? 's' : ''}`));
    open.addEventListener('click', () => { $('#history').close(); openChat(chat); });
    const remove = make('button', '✕', {type: 'button', ariaLabel: visible(`Delete “${title}”`)});
    remove.addEventListener('click', () => { forget(chat.id); onForgotten(chat.id); drawChats(openChat, onForgotten); });
    item.append(open, remove);
    return item;
  }));
  if (!chats.length) $('#chats').append(make('li', 'None yet.'));
}
