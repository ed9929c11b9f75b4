// SPDX-License-Identifier: Apache-2.0
// A real browser, and a server of static files for it.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright-core';
import { beforeStop } from './process.mjs';

const CHROMIUM = '/usr/bin/chromium';
// Without a network, what Chromium does by itself only fails; WebGPU on a processor is not on by default.
const ARGUMENTS = [
  ...['--no-sandbox', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'],
  ...['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };

/** Why there can be no browser, if so. */
export const noBrowser = () => (existsSync(CHROMIUM) ? undefined : `${CHROMIUM} is missing; \`make setup\` installs it`);

/** Serves folders, each under its prefix, the first that fits; gives the address. */
export async function serve(folders) {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://localhost').pathname);
    const [prefix, folder] = Object.entries(folders).find(([prefix]) => path.startsWith(prefix)) ?? [];
    const file = folder && join(folder, path.slice(prefix.length) || 'index.html');
    if (!file || !statSync(file, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end();
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  beforeStop(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  return `http://localhost:${server.address().port}`;
}

/** Opens a page in a headless Chromium. What goes wrong in it goes to `errors`. */
export async function openPage(url) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  beforeStop(() => browser.close());
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(url);
  return { page, errors };
}
