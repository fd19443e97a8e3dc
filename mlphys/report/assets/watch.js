// A training that goes on: a server sends its curves after each epoch, and they grow.
const address = JSON.parse(document.getElementById("page-data").textContent).events;
if (address) {
  const source = new EventSource(address), said = document.getElementById("watched");
  source.addEventListener("curves", (event) => {
    const news = JSON.parse(event.data);
    if (Object.keys(news.charts).some((key) => !page.charts.has(key))) return location.reload();
    said.textContent = news.said;
    for (const [key, chart] of Object.entries(news.charts)) page.charts.get(key).renew(chart);
  });
  source.addEventListener("ended", () => {
    source.close();
    location.reload();
  });
}
