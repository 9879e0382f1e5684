import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { html } from "../../cli/output/formats/html";
import { hasBrowser, openPage, type Page } from "../support/browser";
import { sampleReport } from "../support/verification";

describe("the report's page in a real browser", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), "spot-page-"));
  let page: Page | undefined;

  before(async function () {
    // The set-up installs it on Linux as root; elsewhere there may be none.
    if (!hasBrowser()) this.skip();
    const file = path.join(folder, "report.html");
    writeFileSync(file, html(sampleReport()));
    page = await openPage(pathToFileURL(file).href);
  });
  after(async () => {
    await page?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const see = <T>(expression: string): Promise<T> => page?.evaluate<T>(expression) ?? assert.fail("no page");
  const shown = (): Promise<string[]> =>
    see(
      `[...document.querySelectorAll("article.result")].filter((article) => article.offsetHeight > 0).map((article) => article.querySelector("summary").innerText.replace(/\\s+/g, " "))`,
    );
  const type = (text: string): Promise<void> =>
    see(
      `(() => { const box = document.querySelector("input[type=search]"); box.value = ${JSON.stringify(text)}; box.dispatchEvent(new Event("input", { bubbles: true })); })()`,
    );

  it("shows the fleet, and first what does not hold", async () => {
    assert.match(await see<string>("document.querySelector('h1').innerText"), /NOT VERIFIED/);
    assert.deepEqual(await see<string[]>("[...document.querySelectorAll('tbody th')].map((cell) => cell.innerText)"), [
      "us-west-2-0",
      "us-west-2-1",
      "us-west-2-2",
    ]);
    assert.deepEqual(await shown(), [
      "✗ us-west-2-1 D2 every file of the payload failed",
      "– us-west-2-1 D6 scripts compile skipped",
      "! us-west-2-1 K1 disk, inodes, memory, load warning",
      "? us-west-2-2 A2 instance running unknown",
    ]);
  });

  it("tells a failure in full, and takes a node's output for text", async () => {
    const text = await see<string>("document.querySelector('article.failed').innerText");
    for (const part of [
      "cd /opt/uploaded_files",
      "<script>alert(1)</script>",
      "It never came.",
      "Replace it.",
      "nothing listens",
    ])
      assert.ok(text.includes(part), part);
  });

  it("filters by what is typed and by status", async () => {
    await type("d6");
    assert.deepEqual(await shown(), ["– us-west-2-1 D6 scripts compile skipped"]);
    await type("nothing like this");
    assert.deepEqual(await shown(), []);
    assert.equal(await see("document.getElementById('nothing').hidden"), false);
    await type("");
    await see("document.querySelector('input[value=ok]').click()");
    assert.equal((await shown()).length, 9);
  });

  it("draws each node's life to scale", async () => {
    const [left, width] = await see<number[]>(
      "(() => { const bar = document.querySelector('.bar.deployment').getBoundingClientRect(), track = document.querySelector('.track').getBoundingClientRect(); return [(bar.left - track.left) / track.width, bar.width / track.width]; })()",
    );
    assert.ok(Math.abs((left ?? 0) - 10 / 12) < 0.02 && Math.abs((width ?? 0) - 2 / 12) < 0.02, `${left}, ${width}`);
  });

  it("fits a phone: nothing is wider than the screen but the table, which scrolls by itself", async () => {
    await page?.resize(360, 740);
    assert.equal(await see("document.documentElement.scrollWidth"), 360);
    const tooWide = await see<string[]>(
      "[...document.querySelectorAll('body *')].filter((element) => !element.closest('.wide') && element.getBoundingClientRect().right > 361).map((element) => element.outerHTML.slice(0, 80))",
    );
    assert.deepEqual(tooWide, []);
    assert.ok((await page?.screenshot())!.length > 5_000);
  });

  it("says by signs and words what it says by colours", async () => {
    const cells = await see<string[]>(
      "[...document.querySelectorAll('tbody td:not(:has(time))')].map((cell) => cell.textContent)",
    );
    assert.ok(
      cells.every((text) => /[✓✗?!i–·]|\d s/.test(text)),
      JSON.stringify(cells),
    );
  });

  it("works without a word of complaint, and asks no other place for anything", async () => {
    assert.deepEqual(page?.problems, []);
    assert.deepEqual(
      await see(
        "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => !name.startsWith('data:'))",
      ),
      [],
    );
  });
});
