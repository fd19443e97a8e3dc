// k-means: a code of the distances to the centroids, and the centroid that the code points to.
page.layers.Centroids = (x, { features }, { centroids }) => {
  const [count, width] = centroids.shape, squared = new Float64Array(count);
  for (let k = 0, at = 0; k < count; k++) {
    for (let i = 0; i < width; i++, at++) squared[k] += (x.values[i] - centroids.values[at]) ** 2;
  }
  const values = new Float32Array(count);
  if (features === "hard") values[squared.indexOf(Math.min(...squared))] = 1;
  else {
    const distances = squared.map(Math.sqrt), mean = distances.reduce((a, b) => a + b, 0) / count;
    distances.forEach((distance, k) => { values[k] = Math.max(mean - distance, 0); });
  }
  return { shape: [count], values };
};

// The centroid of the code's largest number, of equal ones the first.
page.layers.LargestCentroid = (x, options, { centroids }) => {
  const width = centroids.shape[1], at = x.values.indexOf(Math.max(...x.values));
  return { shape: [width], values: centroids.values.slice(at * width, (at + 1) * width) };
};
