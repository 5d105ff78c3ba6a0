// Style and script of the status page.

export const STYLE = `
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1d2127;--dim:#68707c;--line:#e1e4e9;
--good:#12734a;--good-bg:#dff3e8;--bad:#a51c14;--bad-bg:#fce3e1;--warn:#805400;--warn-bg:#fdf0d0;
--orange:#a54800;--orange-bg:#ffe7d3;--plain-bg:#e9ecf0}
@media(prefers-color-scheme:dark){:root{--bg:#15171b;--card:#1e2126;--text:#e6e8eb;--dim:#98a1ad;--line:#31353c;
--good:#7fd6a8;--good-bg:#153a2a;--bad:#ff9d95;--bad-bg:#4a1b18;--warn:#f0c766;--warn-bg:#3d2f0d;
--orange:#ffb07a;--orange-bg:#47270f;--plain-bg:#2d3138}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:14px/1.5 system-ui,sans-serif}
header,main{max-width:96rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.25rem}h1{font-size:1.35rem;margin:0}header p{margin:.1rem 0 1rem;color:var(--dim)}
.columns{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(34rem,100%),1fr));align-items:start}
.columns>div{display:grid;gap:1rem;min-width:0}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem 1.1rem;min-width:0}
main>section{margin:1rem 0 2rem}
h2{font-size:1.02rem;margin:0 0 .5rem}h2 small{color:var(--dim);font-weight:400;margin-left:.3rem}
h3{font-size:.92rem;margin:1rem 0 .4rem}p{margin:.3rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.4rem 0}
dt{color:var(--dim)}dd{margin:0;min-width:0}
.scroll{overflow-x:auto;margin:.3rem 0}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500;color:var(--dim);font-size:.82rem;white-space:nowrap}
th,td{padding:.28rem .8rem .28rem 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
code{font:12.5px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}td code{white-space:nowrap}
.badge{display:inline-block;padding:0 .5em;border-radius:99px;font-size:.82rem;white-space:nowrap;background:var(--plain-bg)}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.warn{color:var(--warn);background:var(--warn-bg)}.orange{color:var(--orange);background:var(--orange-bg)}
.nothing,.dim td{color:var(--dim)}
.pin{font:600 1.05rem ui-monospace,monospace;letter-spacing:.12em}
.unknown td{background:var(--bad-bg);color:var(--bad);font-weight:600}
.alarm{background:var(--bad);color:#fff;font-weight:600;padding:.6rem 1rem;border-radius:8px;margin:0 0 1rem}
@media(prefers-color-scheme:dark){.alarm{background:#8d1d16}}
summary{cursor:pointer;color:var(--dim)}
`;

/** Reloads the page every two seconds, keeping opened sections and the scroll position. */
export const SCRIPT = `
const opened = () => new Set([...document.querySelectorAll("details[open]")].map((one) => one.dataset.key));
const follow = async () => {
  try {
    const text = await (await fetch("/")).text();
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    const shown = document.querySelector("main");
    const keys = opened();
    for (const one of fresh.querySelectorAll("details")) one.open = keys.has(one.dataset.key);
    if (fresh.innerHTML !== shown.innerHTML) shown.replaceWith(document.importNode(fresh, true));
    document.title = "Sandbox Cloudflare";
  } catch {
    document.title = "Sandbox Cloudflare (not running)";
  }
  setTimeout(follow, 2000);
};
setTimeout(follow, 2000);
`;
