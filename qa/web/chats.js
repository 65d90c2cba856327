// Conversations, kept in this browser only: the newest ones, each with its turns as they are shown.
// A turn: {id, asked, html, question, answer, articles, place, markdown, plain, vote}.

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

export const newChat = () => ({id: newId(), when: new Date().toISOString(), turns: []});

// The conversation that was open when the page was left, or a new one.
export function lastChat() {
  const kept = read();
  return kept.chats.find(chat => chat.id === kept.current) || newChat();
}

export const allChats = () => read().chats;

export function keep(chat, {open = true} = {}) {
  const kept = read();
  if (chat.turns.length) kept.chats = [chat, ...kept.chats.filter(other => other.id !== chat.id)];
  if (open) kept.current = chat.id;
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
