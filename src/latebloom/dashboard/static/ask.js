// Asking the server, and the address as the page's state.

export async function ask(address, options = {}) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the server answered ${answer.status}`);
  return answer.json();
}

export function post(address, value) {
  const headers = { "Content-Type": "application/json" };
  return ask(address, { method: "POST", headers, body: JSON.stringify(value ?? {}) });
}

// A folder in an address: its slashes stay.
export const path = (folder) => folder.split("/").map(encodeURIComponent).join("/");

export const query = () => new URLSearchParams(location.search);

// Changes of the state that are worth a step back in the browser's history are pushed, others replace.
export function setQuery(changes, push = false) {
  const now = query();
  for (const [name, value] of Object.entries(changes)) {
    now.delete(name);
    for (const one of [value].flat()) if (one !== null && one !== "") now.append(name, one);
  }
  const address = `${location.pathname}${now.size ? `?${now}` : ""}`;
  if (address !== location.pathname + location.search) history[push ? "pushState" : "replaceState"](null, "", address);
}

// What a packed answer holds: its description, and each array as numbers.
export function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const arrays = {};
  for (const [name, shape] of Object.entries(told.arrays)) {
    const size = shape.reduce((a, b) => a * b, 1);
    arrays[name] = { shape, values: new Float32Array(buffer, at, size) };
    at += 4 * size;
  }
  return { ...told, arrays };
}
