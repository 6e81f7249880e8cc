/** Cities with a German university hospital, to a hundredth of a degree: the places of the preset latency. */

export interface Place {
  readonly name: string
  /** degrees north and east */
  readonly latitude: number
  readonly longitude: number
}

const CITIES = `aachen 50.78 6.08, augsburg 48.37 10.90, berlin 52.53 13.38, bochum 51.48 7.22, bonn 50.70 7.10, cologne 50.92 6.92,
dresden 51.06 13.78, duesseldorf 51.20 6.79, erlangen 49.60 11.01, essen 51.43 6.99, frankfurt 50.10 8.66, freiburg 48.01 7.83,
giessen 50.57 8.67, goettingen 51.55 9.94, greifswald 54.09 13.40, halle 51.50 11.94, hamburg 53.59 9.98, hannover 52.38 9.80,
heidelberg 49.42 8.67, homburg 49.31 7.34, jena 50.88 11.62, kiel 54.33 10.14, leipzig 51.33 12.39, luebeck 53.84 10.71,
magdeburg 52.10 11.62, mainz 49.99 8.26, mannheim 49.49 8.49, marburg 50.82 8.81, munich 48.11 11.47, munster 51.96 7.60,
oldenburg 53.14 8.21, regensburg 48.99 12.09, rostock 54.09 12.10, tuebingen 48.53 9.04, ulm 48.42 9.95, wuerzburg 49.80 9.96`

export const HOSPITALS: readonly Place[] = CITIES.split(',').map((line) => {
  const [name, latitude, longitude] = line.trim().split(' ') as [string, string, string]
  return { name, latitude: Number(latitude), longitude: Number(longitude) }
})
