// Everything shown comes from devices, drivers' cards and the CSMS: it enters the page as text, never as markup.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

// Writes only what differs: a screen reader is not told again, and a selection stays.
export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

export function show(node, visible) {
  if (node.hidden === visible) {
    node.hidden = !visible;
  }
}

// A list whose members keep their nodes, and with them focus and open states, from one view to the next.
// `make(item)` returns {root, update(item)}.
export function keyedList(parent, keyOf, make) {
  const members = new Map();
  return (items) => {
    const keys = new Set(items.map(keyOf));
    for (const [key, member] of members) {
      if (!keys.has(key)) {
        member.root.remove();
        members.delete(key);
      }
    }
    items.forEach((item, place) => {
      const key = keyOf(item);
      if (!members.has(key)) {
        members.set(key, make(item));
      }
      const member = members.get(key);
      member.update(item);
      if (parent.children[place] !== member.root) {
        parent.insertBefore(member.root, parent.children[place] ?? null);
      }
    });
  };
}
