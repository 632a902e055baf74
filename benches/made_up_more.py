"""More made-up tables with known entities: of the kinds on which settings and inference fail most easily.

usage: python made_up_more.py DIR [SEED]    (needs nothing but Python)
Writes CSV files with a column `cluster` for --labels:
  register      persons, every part of the address apart, up to five copies with several slips each
  venues        places to eat; each city has streets of its own, so that street and city depend on each other
  works_a, _b   publications; many titles differ in a word, and conferences come every year
  firms_a, _b   companies in two files whose columns have other names
  parcels       addresses alone, with missing parts
  devices       rows known by numbers alone
  tickets       persons beside a huge column of noise
  cells         persons in columns without a meaning, c1 to c8, of mixed order
  catalogue_a, _b   products of two shops: codes and descriptions, no brand column
  census        households with hardly a person twice; what a household shares stands apart, and ages only
  arrivals_a, _b    persons known by a name and a birth date that each file writes in its own way
  crawl_a, _b   a clean library beside what was found of it, many copies of a work (--link-only)
  shop_a, _b    products in series, of which models differ by a digit, with codes written in parts
  sites         branches of organisations, of which several share a phone or are named alike
  offices       the same branches, where few rows say who leads them
  tracks        pieces of music of five sources, many of one album
"""

import csv, random, sys
from pathlib import Path

out, seed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
out.mkdir(parents=True, exist_ok=True)
R = random.Random(seed)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYLLABLES = "ba be bo da de do fa fi ga go ha hi ka ke ko la le li lo ma me mi mo na ne ni no pa pe ra re ri ro sa se si so ta te ti to va ve vi wa we".split()
GIVEN = "emma oliver ava jack mia noah ruby lucas chloe ethan lily james sophie william grace thomas zoe max ella sam isla henry amy daniel hannah joshua lara ryan tara luke nina adam joel kate paul anna mark jane eric olga".split()


def word(least=2, most=3):
    return "".join(R.choice(SYLLABLES) for _ in range(R.randrange(least, most + 1)))


def many(count, make):
    found = []
    while len(found) < count:
        own = make()
        if own not in found:
            found.append(own)
    return found


def skewed(items):
    """One of the items, the first ones much more often."""
    return items[int(R.random() ** 2 * len(items))]


def slip(text):
    text = str(text)
    if len(text) < 2:
        return text
    at, kind = R.randrange(len(text)), R.randrange(4)
    letter = R.choice("0123456789") if text[at].isdigit() else R.choice(LETTERS)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + letter + text[at:]
    if kind == 2 and at + 1 < len(text):
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + letter + text[at + 1 :]


def gone(value, rate):
    return "" if R.random() < rate else value


def digits(n):
    return str(R.randrange(1, 10)) + "".join(str(R.randrange(10)) for _ in range(n - 1))


def write(name, header, rows):
    R.shuffle(rows)
    with open(out / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


FAMILY = many(600, lambda: word(2, 4))
STREET = many(800, lambda: f"{word()} {R.choice(['street', 'place', 'crescent', 'road', 'court', 'circuit', 'avenue'])}")
SUBURBS = [(word(2, 4), R.choice(["nsw", "vic", "qld", "wa", "sa", "tas", "act", "nt"]), digits(4)) for _ in range(400)]

# A register of persons: copies have up to eight slips, two a field at most.
rows = []
for entity in range(900):
    suburb, state, postcode = skewed(SUBURBS)
    born = f"{R.randrange(1900, 2000)}{R.randrange(1, 13):02}{R.randrange(1, 29):02}"
    own = [skewed(GIVEN), skewed(FAMILY), str(R.randrange(1, 300)), skewed(STREET), gone(word(2, 3) + " " + R.choice(["villa", "park", "farm", "flats"]), 0.5), suburb, postcode, state, gone(born, 0.08), digits(7)]
    rows.append(own + [entity])
    for _ in range(R.choices([0, 1, 2, 3, 4, 5], [0.25, 0.25, 0.15, 0.15, 0.1, 0.1])[0]):
        copy = list(own)
        for _ in range(R.randrange(1, 9)):
            at = R.choices(range(10), [2, 2, 1, 2, 2, 1, 1, 1, 2, 1])[0]
            kind = R.random()
            if kind < 0.55:
                copy[at] = slip(copy[at])
            elif kind < 0.7:
                copy[at] = ""
            elif kind < 0.8 and at in (0, 1):
                copy[0], copy[1] = copy[1], copy[0]
            elif at == 0:
                copy[0] = skewed(GIVEN)
            elif at == 3:
                copy[3], copy[4] = copy[4], copy[3]
            else:
                copy[at] = slip(copy[at])
        rows.append(copy + [entity])
write("register", ["given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state", "date_of_birth", "soc_sec_id", "cluster"], rows)

# Places to eat.
FOOD = {"italian": ["trattoria", "pizzeria", "osteria"], "chinese": ["palace", "garden", "wok"], "french": ["bistro", "brasserie", "cafe"], "american": ["grill", "diner", "steakhouse"], "delis": ["deli", "delicatessen"], "seafood": ["oyster bar", "fish house"]}
TOWNS = []
for town in ["new york", "los angeles", "atlanta", "san francisco", "las vegas", "new york city"]:
    streets = many(18 if "york" in town else 30, lambda: f"{R.choice(['w.', 'e.', 's.', 'n.', ''])} {R.choice([word() , str(R.randrange(1, 80)) + 'th'])} {R.choice(['st.', 'ave.', 'blvd.', 'rd.'])}".strip())
    TOWNS.append((town, streets))
rows = []
for entity in range(700):
    town, streets = R.choice(TOWNS)
    cuisine = R.choice(list(FOOD))
    name = f"{R.choice(['', '', 'cafe ', 'the ', 'le ', 'chez '])}{R.choice([word(), R.choice(FAMILY), R.choice(GIVEN) + chr(39) + 's'])} {R.choice(FOOD[cuisine])}"
    number, street = R.randrange(1, 9000), R.choice(streets)
    for copy in range(R.choices([1, 2], [0.86, 0.14])[0]):
        between = f" {R.choice(['between', 'near', 'at'])} {R.choice(streets)}"
        text = name if not copy else R.choice([name, name, slip(name), name.replace("the ", ""), name.split(" ", 1)[-1], name + f" ({town})"])
        address = f"{number} {street}" + (between if R.random() < 0.35 else "")
        if copy:
            address = address.replace("st.", "street").replace("ave.", "avenue") if R.random() < 0.5 else address
        where = town if not copy or R.random() < 0.8 else {"new york": "new york city", "los angeles": "hollywood"}.get(town, town)
        rows.append([len(rows), text, address, where, cuisine if not copy or R.random() < 0.5 else R.choice(list(FOOD)), entity])
write("venues", ["id", "name", "address", "city", "cuisine", "cluster"], rows)

# Works in two libraries: many titles differ in a word, and journals have introductions every year.
TOPIC = many(150, lambda: word(2, 4))
SERIES = [("SIGX", "International Conference on Management of X"), ("VLX", "Very Large X"), ("TX", "Transactions on X Systems"), ("XJ", "The X Journal")]
a, b, titles = [], [], []
for entity in range(1600):
    title = " ".join(R.choice(["a", "the", "of", "for", "in"]) if R.random() < 0.2 else skewed(TOPIC) for _ in range(R.randrange(3, 10)))
    if titles and R.random() < 0.12:
        other = R.choice(titles).split()
        other[R.randrange(len(other))] = R.choice(TOPIC)
        title = " ".join(other)
    if R.random() < 0.04:
        title = R.choice(["editor's notes", "guest editorial", "reminiscences on influential papers", "chair's message"])
    titles.append(title)
    people = [(R.choice(GIVEN), R.choice(LETTERS), skewed(FAMILY)) for _ in range(R.randrange(0 if len(title.split()) < 4 else 1, 5))]
    series, year = R.choice(SERIES), R.randrange(1994, 2004)
    where = R.choices("ab2", [0.15, 0.05, 0.8])[0]
    if where in "a2":
        a.append([f"x/{entity}", title.title(), ", ".join(f"{g} {m}. {f}" if R.random() < 0.3 else f"{g} {f}" for g, m, f in people).title(), series[0], year, entity])
    if where in "b2":
        own = slip(title) if R.random() < 0.1 else title
        names = ", ".join(f"{g[0]}. {f}" if R.random() < 0.2 else f"{g} {f}" for g, m, f in people).title()
        b.append([600000 + len(b), own, names, series[1], year, entity])
write("works_a", ["id", "title", "authors", "venue", "year", "cluster"], a)
write("works_b", ["id", "title", "authors", "venue", "year", "cluster"], b)

# Companies in two files.
LEGAL = [("Ltd", "Limited"), ("Inc", "Incorporated"), ("GmbH", "GmbH"), ("S.A.", "SA"), ("LLC", "L.L.C.")]
TRADE = "trading holdings logistics systems foods textiles engineering pharma energy consulting".split()
CITY = [(word(2, 3).title(), digits(5)) for _ in range(60)]
a, b = [], []
for entity in range(1300):
    name = f"{R.choice([word().title(), R.choice(FAMILY).title() + ' & ' + R.choice(FAMILY).title()])} {R.choice(TRADE).title()}"
    legal, (city, code), line = R.choice(LEGAL), skewed(CITY), f"{R.randrange(1, 200)} {R.choice(STREET)}"
    vat, phone, site = digits(9), "+44" + digits(10), name.split()[0].lower() + R.choice([".com", ".co.uk", ".eu"])
    where = R.choices("ab2", [0.25, 0.25, 0.5])[0]
    if where in "a2":
        a.append([name + " " + legal[0], line.title(), city, code, gone(phone, 0.3), gone("GB" + vat, 0.4), entity])
    if where in "b2":
        b.append([f"{slip(name) if R.random() < 0.15 else name} {legal[1]}".upper(), gone(line, 0.2), f"{code} {city}", gone("0" + phone[3:], 0.3), gone("https://www." + site, 0.3), gone(vat, 0.5), entity])
write("firms_a", ["company", "street", "town", "postcode", "telephone", "vat number", "cluster"], a)
write("firms_b", ["Firmenname", "Strasse", "Ort", "Telefon", "Webseite", "USt-IdNr", "cluster"], b)

# Addresses alone.
rows = []
for entity in range(1500):
    (city, code), street, number, unit = skewed(CITY), R.choice(STREET), R.randrange(1, 200), R.choice(["", "", f"flat {R.randrange(1, 9)}"])
    for _ in range(R.choices([1, 2, 3], [0.5, 0.35, 0.15])[0]):
        short = street.replace("street", "st").replace("road", "rd").replace("avenue", "ave") if R.random() < 0.5 else street
        rows.append([gone(unit, 0.1), f"{number} {slip(short) if R.random() < 0.1 else short}", gone(city, 0.25), gone(code, 0.3), entity])
write("parcels", ["unit", "street address", "city", "zip", "cluster"], rows)

# Rows known by numbers alone.
rows = []
for entity in range(1200):
    serial, imei, batch, weight = digits(10), digits(15), R.randrange(1000, 1040), round(R.lognormvariate(3, 0.4), 2)
    for _ in range(R.choices([1, 2, 3], [0.55, 0.3, 0.15])[0]):
        rows.append([len(rows) + 1, gone(slip(serial) if R.random() < 0.15 else serial, 0.25), gone(slip(imei) if R.random() < 0.15 else imei, 0.25), batch, round(weight + R.gauss(0, 0.02), 2), entity])
write("devices", ["row", "serial", "imei", "batch", "weight", "cluster"], rows)

# Persons beside a huge column of noise; and in columns without a meaning.
tickets, cells = [], []
for entity in range(800):
    given, family, phone = skewed(GIVEN), skewed(FAMILY), "07" + digits(9)
    mail, city = f"{given}.{family}{R.randrange(99)}@{R.choice(['gmail.com', 'mail.org', 'web.net'])}", skewed(CITY)
    for _ in range(R.choices([1, 2, 3, 4], [0.5, 0.3, 0.15, 0.05])[0]):
        noise = " ".join(word() for _ in range(R.randrange(60, 160)))
        own = [slip(given) if R.random() < 0.1 else given, slip(family) if R.random() < 0.1 else family]
        tickets.append([len(tickets), " ".join(own).title(), gone(mail, 0.3), gone(phone, 0.3), noise, R.choice(["open", "closed", "waiting"]), f"2026-{R.randrange(1, 13):02}-{R.randrange(1, 29):02}", entity])
        cells.append([digits(6), R.choice("ABC"), own[1].upper(), gone(phone, 0.3), own[0], gone(mail, 0.3), gone(city[0], 0.2), R.randrange(10**6), entity])
write("tickets", ["ticket", "customer", "contact", "callback", "log", "state", "opened", "cluster"], tickets)
write("cells", [f"c{n}" for n in range(1, 9)] + ["cluster"], cells)

# Products of two shops: what tells them apart is a code within the text.
KIND = "camera lens tripod printer toner speaker receiver router switch cable monitor keyboard drive dock".split()
MAKER = many(40, lambda: word(2, 3).title())
a, b = [], []
for entity in range(1000):
    maker, kind = skewed(MAKER), skewed(KIND)
    code = "".join(R.choice("ABCDEFGHKLMNPRSTX") for _ in range(R.randrange(2, 4))) + R.choice(["", "-"]) + digits(R.randrange(3, 5)) + R.choice(["", "", "B", "S", "/W"])
    features = R.sample(["wireless", "black", "white", "portable", "digital", "hd", "compact", "usb", "dual", "professional", "stereo", "home"], R.randrange(2, 5))
    price = round(R.lognormvariate(4.5, 1), 2)
    where = R.choices("ab2", [0.2, 0.2, 0.6])[0]
    if where in "a2":
        a.append([len(a), f"{maker} {' '.join(features)} {kind} - {code}".title().replace(code.title(), code), f"{maker} {kind} {code}, {' '.join(R.sample(features, len(features)))}; {R.choice(['1 year warranty', 'energy saving', 'boxed', 'new'])}", gone(f"${price:,.2f}", 0.4), entity])
    if where in "b2":
        own = code.replace("-", "").replace("/", "") if R.random() < 0.4 else code
        b.append([len(b), f"{maker} {own} {R.choice(features)} {kind}" + R.choice(["", " new", " (refurbished)", " bundle"]), gone(" ".join(features) + f" {kind}", 0.4), round(price * R.uniform(0.85, 1.15), 2), entity])
write("catalogue_a", ["id", "name", "description", "price", "cluster"], a)
write("catalogue_b", ["sku", "product", "details", "cost", "cluster"], b)

# Households: hardly a person is there twice, and what members share is more than what persons share.
CODED = many(40, lambda: word(2, 3))
rows, entity = [], 0
for household in range(1800):
    family, line, city, group = skewed(FAMILY), f"{R.randrange(1, 300)} {R.choice(STREET)}", skewed(CITY), R.choice("WWWBBOA")
    for _ in range(R.choice([1, 2, 2, 3, 4])):
        entity += 1
        given, age, own = skewed(GIVEN), R.randrange(1, 90), family if R.random() < 0.9 else skewed(FAMILY)
        for copy in range(2 if R.random() < 0.04 else 1):
            rows.append([slip(given) if copy and R.random() < 0.15 else given, own, age + copy, line, city[0], city[1], group, R.choice(["house", "house", "flat"]), entity])
write("census", ["first_name", "last_name", "age", "address", "city", "zipcode", "ethnicity", "housing_type", "cluster"], rows)

# Two files that write dates in two ways; one in fifty is no day of a calendar.
a, b = [], []
for entity in range(1500):
    given, family, year, month, day = skewed(GIVEN), skewed(FAMILY), R.randrange(1930, 2010), R.randrange(1, 13), R.randrange(1, 29)
    wrong = 13 + R.randrange(6) if R.random() < 0.02 else month
    a.append([slip(given) if R.random() < 0.1 else given, family, f"{wrong:02}/{day:02}/{year}", f"{R.randrange(1, 13)}/2020", entity])
    if R.random() < 0.5:
        b.append([digits(9), given, slip(family) if R.random() < 0.1 else family, f"{year}{month:02}{day:02}", entity])
write("arrivals_a", ["first name", "last name", "date of birth", "created_at", "cluster"], a)
write("arrivals_b", ["number", "given", "surname", "dob", "cluster"], b)

# A library and what was found of it.
a, b = [], []
for entity in range(900):
    title = " ".join(skewed(TOPIC) for _ in range(R.randrange(3, 9)))
    people, (short, long), year = [(R.choice(GIVEN), skewed(FAMILY)) for _ in range(R.randrange(1, 4))], R.choice(SERIES), R.randrange(1975, 2004)
    a.append([f"x/{entity}", title.title(), ", ".join(f"{g[0]} {f}" for g, f in people).title(), short, year, entity])
    for _ in range(R.choice([0, 1, 1, 2, 3, 5, 8])):
        own = slip(title) if R.random() < 0.2 else " ".join(title.split()[: R.randrange(2, 6)]) if R.random() < 0.1 else title
        b.append([word(4, 5), own, ", ".join(f"{g[0]} {f}" for g, f in (people if R.random() < 0.7 else people[:1])).title(), gone(R.choice([short, long, word()]), 0.3), gone(year, 0.5), entity])
write("crawl_a", ["id", "title", "authors", "venue", "year", "cluster"], a)
write("crawl_b", ["id", "title", "authors", "venue", "year", "cluster"], b)

# Products in series.
a, b, last = [], [], None
for entity in range(1000):
    own = [skewed(MAKER), R.choice(KIND), R.choice(["KD", "DSX", "HT", "WR", "PX"]), digits(R.randrange(2, 4)), R.sample(["wireless", "portable", "digital", "compact", "dual", "stereo", "home", "optical"], 3), R.lognormvariate(5, 1)]
    if last and entity % 6 == 0:
        own = last[:3] + [last[3][:-1] + str((int(last[3][-1]) + 1) % 10)] + last[4:]
    last = own
    maker, kind, letters, number, features, price = own
    code, colour = letters + R.choice(["", "-"]) + number, R.choice(["Black", "White", "Silver"])
    a.append([entity, f"{maker} {colour} {features[0]} {kind} - {code}{colour[0]}", " / ".join(features + [colour]), gone(f"${price:,.2f}", 0.6), entity])
    if R.random() < 0.95:
        b.append([entity + 5000, f"{maker} {R.choice(['', features[1] + ' '])}{code} {kind}" + R.choice(["", " - " + features[2], " - " + colour]), gone(" ".join(features[:2]), 0.4), gone(f"${price * R.uniform(0.8, 1.2):.2f}", 0.45), entity])
write("shop_a", ["id", "name", "description", "price", "cluster"], a)
write("shop_b", ["id", "name", "description", "price", "cluster"], b)

# Pieces of music: those of an album share all but their title.
rows, ALBUM = [], None
for entity in range(2000):
    if entity % 4 == 0:
        ALBUM = (R.choice([word(2, 3), f"{R.choice(GIVEN)} {skewed(FAMILY)}"]).title(), " ".join(skewed(CODED) for _ in range(R.randrange(1, 4))).title(), R.randrange(1960, 2015))
    artist, album, year = ALBUM
    title, number, seconds = " ".join(R.choice(TOPIC) for _ in range(R.randrange(1, 5))).title(), R.randrange(1, 16), R.randrange(120, 420)
    for source in R.sample(range(1, 6), R.choices([1, 2, 3, 4], [0.5, 0.25, 0.15, 0.1])[0]):
        own = slip(title) if R.random() < 0.15 else title
        own = {2: f"{number:03}-{own}", 3: f"{own} - {album}", 4: f"{artist} - {own}"}.get(source, own)
        rows.append([digits(9), source, number, own, {1: seconds * 1000, 2: f"{seconds // 60}m {seconds % 60}sec", 3: f"{seconds / 60:.3f}"}.get(source, ""), "" if source == 4 else artist, gone(album, 0.1), gone(year, 0.3), entity])
write("tracks", ["TID", "SourceID", "number", "title", "length", "artist", "album", "year", "cluster"], rows)

# Branches of organisations, as several lists name them: by the organisation, by the place, or by both.
PLACE = many(80, lambda: word(2, 3).title())
KINDS = ["Center", "Academy", "School", "Clinic", "House", "Station"]
rows = []
for organisation in range(260):
    called = R.choice([f"{word().title()} {R.choice(['Community', 'Family', 'Youth', 'Health'])} {R.choice(['Services', 'Association', 'Trust', 'Network'])}", f"{R.choice(FAMILY).title()} {R.choice(KINDS)}", f"{word().title()} {word().title()}"])
    head, near = (f"{R.randrange(1, 9000)} {R.choice(STREET)}", digits(10)), R.sample(CITY, 3)
    places = R.sample(PLACE, R.choices([1, 2, 4, 8], [0.6, 0.2, 0.12, 0.08])[0])
    for number, place in enumerate(places):
        line, phone = (f"{R.randrange(1, 9000)} {R.choice(STREET)}", digits(10)) if number else head
        kind, (_, code) = R.choice(KINDS), R.choice(near)
        for _ in range(R.choices([1, 2, 3, 5], [0.35, 0.3, 0.2, 0.15])[0]):
            name = R.choice([called, called, f"{called} {place}", f"{called} - {place} {kind}", f"{place} {kind}" if len(places) > 1 else f"The {called}"])
            own = (line if R.random() < 0.95 else head[0]).replace("street", R.choice(["street", "st"])).replace("avenue", R.choice(["avenue", "ave"]))
            rows.append([len(rows), slip(name) if R.random() < 0.06 else name, gone(slip(own) if R.random() < 0.05 else own, 0.05), gone(code, 0.3), gone(phone if R.random() < 0.8 else head[1], 0.2), R.choice(["Head Start", "Day Care", "After School"]), gone(called if R.random() < 0.6 else word().title(), 0.7), f"{organisation}-{number}"])
write("sites", ["id", "site name", "address", "zip", "phone", "program", "agency", "cluster"], rows)
LEADS, OWN = random.Random(f"{seed} offices"), {}
for row in sorted(rows):
    leads = [f"{LEADS.choice(GIVEN)} {LEADS.choice(FAMILY)}".title() for _ in range(2)]
    now, before = OWN.setdefault(row[-1], leads)
    row.insert(-1, (now if LEADS.random() < 0.9 else before) if LEADS.random() < 0.25 else "")
write("offices", ["id", "site name", "address", "zip", "phone", "program", "agency", "led by", "cluster"], rows)
