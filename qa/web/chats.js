// Conversations, kept in this browser only: the newest ones, each with its turns as they are shown.
// A turn: {id, asked, html, question, answer, articles, place, markdown, plain, vote}.
// Turns are kept one by one, since another tab may have the same conversation open.

const KEY = 'citewire.chats';
const MOST = 40; // conversations
const CHARACTERS = 3_000_000; // together: browsers keep about five million of one site

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY)) || {};
    return {current: kept.current || '', chats: Array.isArray(kept.chats) ? kept.chats : []};
  } catch {
    return {current: '', chats: []};
  }
}

function write(kept) {
  kept.chats = kept.chats.slice(0, MOST);
  let text = JSON.stringify(kept);
  while (text.length > CHARACTERS && kept.chats.length > 1) {
    kept.chats.pop();
    text = JSON.stringify(kept);
  }
  try {
    localStorage.setItem(KEY, text);
  } catch {
    // Storage is full or switched off: the conversation goes on, it is only not kept.
  }
}

export const newId = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
};

// `stored` of a conversation: it has been kept; should it be gone now, it was deleted.
export const newChat = () => ({id: newId(), when: new Date().toISOString(), turns: [], stored: false});

const fromStore = ({id, when, turns}) => ({id, when, turns, stored: true});

// The conversation that was open when the page was left, or a new one.
export function lastChat() {
  const kept = read();
  const last = kept.chats.find(chat => chat.id === kept.current);
  return last ? fromStore(last) : newChat();
}

export const allChats = () => read().chats.map(fromStore);

export function setCurrent(id) {
  const kept = read();
  if (kept.current !== id) write({...kept, current: id});
}

// Keep a turn of a conversation, in the place of an earlier version of it; of a deleted conversation nothing.
export function keepTurn(chat, turn) {
  const kept = read();
  const found = kept.chats.find(other => other.id === chat.id);
  if (!found && chat.stored) return;
  const {id, when, turns} = found || {...chat, turns: []};
  const known = turns.some(other => other.id === turn.id);
  const now = known ? turns.map(other => other.id === turn.id ? turn : other) : [...turns, turn];
  kept.chats = [{id, when, turns: now}, ...kept.chats.filter(other => other !== found)];
  chat.stored = true;
  write(kept);
}

export function forget(id) {
  const kept = read();
  kept.chats = kept.chats.filter(chat => chat.id !== id);
  write(kept);
}

export const forgetAll = () => localStorage.removeItem(KEY);

export function asMarkdown(chat) {
  const day = new Date(chat.when).toLocaleDateString('en-GB', {day: 'numeric', month: 'long', year: 'numeric'});
  return `# Citewire, ${day}\n\n${chat.turns.map(turn => turn.markdown).join('\n')}`;
}
