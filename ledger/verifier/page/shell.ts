/**
 * The file around its five texts: security policy, style, WebAssembly, worker, program. The page carries these pieces too, and
 * from them and the texts that the browser holds it tells the SM3 of its own file.
 */
export const SHELL: readonly string[] = [
  `<!doctype html>
<html lang="zh-CN">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="`,
  `" />
    <meta name="viewport" content="width=device-width" />
    <title>账本验证</title>
    <style id="style">`,
  `</style>
  </head>
  <body>
    <noscript>本页需要启用 JavaScript。This page needs JavaScript.</noscript>
    <header id="head"></header>
    <p id="status" role="status" aria-live="polite"></p>
    <main id="main">
      <div id="input"></div>
      <div id="result"></div>
    </main>
    <script type="text/plain" id="wasm">`,
  `</script>
    <script type="text/plain" id="worker">`,
  `</script>
    <script>`,
  `</script>
  </body>
</html>
`,
];
