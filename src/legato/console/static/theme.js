// Runs before the first paint, so that a chosen theme does not flash. `legato-theme` is `light`, `dark` or absent.
document.documentElement.dataset.theme = localStorage.getItem('legato-theme') ?? 'system';
