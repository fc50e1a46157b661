// Asks the console's own server. It scrapes the shop only while pages ask it.

export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(parameters).toString();
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The console's server does not answer: “make status” shows whether it runs.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail || `The console's server answered ${response.status}.`);
  return body;
}

const INTERVAL = 2000;
// An answer that takes longer counts as none, so that an old state is not shown as the current one.
const TIMEOUT = 6000;

// Polls `load` while the page is visible, until the returned function is called.
export function poll(load, failed) {
  let timer = null;
  let busy = false;
  let stopped = false;
  async function turn() {
    if (busy || stopped || document.hidden) return;
    busy = true;
    clearTimeout(timer);
    const started = performance.now();
    try {
      await load(AbortSignal.timeout(TIMEOUT));
    } catch (error) {
      const slow = error.name === "AbortError" || error.name === "TimeoutError";
      if (!stopped) failed(slow ? "The console's server is slow to answer." : error.message);
    }
    busy = false;
    if (!stopped) timer = setTimeout(turn, Math.max(200, INTERVAL - (performance.now() - started)));
  }
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
  };
}
