// A button on each block of code that puts its text into the clipboard.
document.addEventListener('DOMContentLoaded', () => {
  if (!navigator.clipboard) return; // a page from the disk in a browser that keeps it for servers
  for (const block of document.querySelectorAll('div[class*="highlight-"]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy this code');
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(block.querySelector('pre').textContent.trimEnd());
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
    block.append(button);
  }
});
