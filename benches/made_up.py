"""Made-up tables with known entities, to try `simurgh dedupe` on more than persons.

usage: python made_up.py DIR [SEED]    (needs nothing but Python)
Writes CSV files with a column `cluster` for --labels: organisations, publications_a and _b, restaurants,
products_a and _b, customers_ar, customers_fa, customers_es, contacts, places, unnamed.
"""

import csv, random, sys
from pathlib import Path

out, seed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
out.mkdir(parents=True, exist_ok=True)
R = random.Random(seed)

EN = "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas Sarah Karen Nancy Daniel Lisa Matthew Betty Anthony Sandra Mark Ashley Donald Emily Steven Kimberly Andrew Margaret Paul Donna Joshua Michelle".split()
EN_F = "Smith Johnson Williams Brown Jones Garcia Miller Davis Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Kowalski Ferrari Novak Lindqvist Okafor Haddad".split()
ES = "María Carmen José Antonio Manuel Francisco Juan David Javier Lucía Paula Laura Ana Isabel Pilar Sergio Raúl Álvaro Íñigo Begoña Rocío Andrés Tomás Concepción Jesús Miguel Rosa Teresa Ángel Elena".split()
ES_F = "García Fernández González Rodríguez López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández Díaz Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez Serrano Blanco Molina Núñez Ibáñez".split()
AR = "محمد أحمد علي حسن حسين فاطمة مريم زينب خالد عمر يوسف إبراهيم عبدالله عبدالرحمن سارة نورة هدى ليلى سعيد طارق ياسر منى آمنة رانيا كريم سليمان داود مصطفى".split()
AR_L = "Mohamed Ahmed Ali Hassan Hussein Fatima Maryam Zainab Khaled Omar Youssef Ibrahim Abdullah Abdulrahman Sara Noura Huda Layla Saeed Tariq Yasser Mona Amina Rania Kareem Sulaiman Dawood Mustafa".split()
AR_F = "الأحمد المصري الخطيب حداد النجار القحطاني العتيبي الغامدي الشمري الحسيني عبدالعزيز السيد منصور صالح الهاشمي الكريمي بكري عثمان البغدادي الحلبي".split()
AR_C = "القاهرة الرياض جدة دبي عمّان بيروت بغداد الدمام الإسكندرية مسقط".split()
FA = "محمد علی رضا حسین مهدی زهرا فاطمه مریم سارا نرگس امیر حمید سعید نازنین لیلا کیان پریسا بهرام آرش شیرین یاسمن پویا".split()
FA_F = "احمدی محمدی حسینی رضایی کریمی موسوی هاشمی جعفری رحیمی صادقی کاظمی مرادی نوری اکبری یزدانی شیرازی تهرانی فرهادی کیانی ابراهیمی".split()
FA_C = "تهران مشهد اصفهان شیراز تبریز کرج قم اهواز رشت یزد".split()
CITIES = [("Springfield", "IL", "62701"), ("Riverside", "CA", "92501"), ("Franklin", "TN", "37064"), ("Clinton", "MA", "01510"), ("Georgetown", "TX", "78626"), ("Salem", "OR", "97301"), ("Madison", "WI", "53703"), ("Dayton", "OH", "45402")]
STREETS = "Main Oak Maple Cedar Elm Washington Lake Hill Walnut Park Pine River Church Spring Lincoln Jackson Franklin Chestnut Division Kedzie Halsted Ashland Pulaski Western".split()
KINDS = [("Street", "St", "St."), ("Avenue", "Ave", "Ave."), ("Road", "Rd", "Rd."), ("Boulevard", "Blvd", "Blvd."), ("Drive", "Dr", "Dr.")]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def slip(text, rate=1.0):
    if len(text) < 4 or R.random() > rate:
        return text
    at, kind = R.randrange(1, len(text) - 1), R.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + R.choice(LETTERS) + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + R.choice(LETTERS) + text[at + 1 :]


def gone(value, rate):
    return "" if R.random() < rate else value


def digits(n):
    return str(R.randrange(1, 10)) + "".join(str(R.randrange(10)) for _ in range(n - 1))


def write(name, header, rows, shuffle=True):
    if shuffle:
        R.shuffle(rows)
    with open(out / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def copies():
    return R.choices([1, 2, 3, 4], [0.5, 0.3, 0.15, 0.05])[0]


def street():
    kind = R.choice(KINDS)
    return (R.randrange(1, 9900), R.choice(["", "N", "S", "E", "W"]), R.choice(STREETS), kind)


def street_text(s):
    side = {"N": ["N", "North", "N."], "S": ["S", "South", "S."], "E": ["E", "East"], "W": ["W", "West"], "": [""]}[s[1]]
    text = " ".join(str(x) for x in (s[0], R.choice(side), s[2], R.choice(s[3])) if x)
    return text.upper() if R.random() < 0.2 else text


def phone_text(p):
    return R.choice([f"({p[:3]}) {p[3:6]}-{p[6:]}", f"{p[:3]}-{p[3:6]}-{p[6:]}", f"{p[:3]}/{p[3:6]}-{p[6:]}", p, f"{p[:3]}.{p[3:6]}.{p[6:]}"])


# Organisations: day centres, schools and clinics of a city, written by many hands.
rows, n = [], 0
WHAT = ["Learning Center", "Day Care Center", "Child Development Center", "Academy", "Head Start", "Community Services", "Elementary School", "Family Clinic", "Preschool", "Youth Foundation"]
SHORT = {"Center": ["Ctr", "Ctr.", "Center", "Centre"], "Development": ["Dev", "Development"], "Community": ["Comm", "Community"], "Elementary": ["Elem", "Elementary"], "Services": ["Svcs", "Services"]}
for entity in range(700):
    base = R.choice([R.choice(STREETS), R.choice(EN_F), f"{R.choice(EN)} {R.choice(EN_F)}", "St. " + R.choice(EN), "Little " + R.choice(["Angels", "Stars", "Steps", "Scholars"]), "New " + R.choice(["Hope", "Life", "Horizons", "Beginnings"])])
    name = f"{base} {R.choice(WHAT)}"
    s, (city, state, postcode), phone = street(), R.choice(CITIES[:3]), "312" + digits(7)
    if R.random() < 0.15 and rows:
        name = rows[-1][1]  # another site of the same house: the hard negatives
    for _ in range(copies()):
        words = [R.choice(SHORT.get(w, [w])) for w in name.split()]
        text = " ".join(words) + R.choice(["", "", "", " Inc", ", Inc.", " - " + city])
        text = slip(text, 0.15)
        text = text.upper() if R.random() < 0.3 else text
        n += 1
        rows.append([n, text, gone(street_text(s), 0.1), gone(postcode, 0.25), gone(phone_text(phone), 0.3), gone(R.choice(["Head Start", "CPS", "Community", ""]), 0.2), entity])
write("organisations", ["record", "site", "street address", "zip code", "telephone", "program", "cluster"], rows)

# Publications in two libraries.
TOPIC = "query optimization distributed databases mining association rules indexing spatial data streams views materialized semantic integration schema matching transaction recovery parallel joins XML storage adaptive caching approximate selectivity estimation workflow web services clustering large temporal relational objects mediator warehouse maintenance incremental efficient processing scalable".split()
VENUES = [("SIGMOD Conference", "International Conference on Management of Data"), ("VLDB", "Very Large Data Bases"), ("ACM Trans. Database Syst.", "ACM Transactions on Database Systems (TODS)"), ("VLDB J.", "The VLDB Journal"), ("SIGMOD Record", "ACM SIGMOD Record")]
a, b = [], []
for entity in range(1500):
    title = " ".join(R.sample(TOPIC, R.randrange(4, 9)))
    title = R.choice(["", "", "On ", "Towards ", "Efficient "]) + title + R.choice(["", " in " + R.choice(TOPIC) + " systems", ": a survey"])
    people = [(R.choice(EN), R.choice(LETTERS).upper(), R.choice(EN_F)) for _ in range(R.randrange(1, 5))]
    venue, year = R.choice(VENUES), R.randrange(1994, 2004)
    where = R.choices("ab2", [0.2, 0.2, 0.6])[0]
    if where in "a2":
        a.append([f"conf/x/{entity}{digits(3)}", title.title() + ".", ", ".join(f"{g} {m}. {f}" if R.random() < 0.3 else f"{g} {f}" for g, m, f in people), venue[0], year, entity])
    if where in "b2":
        own = slip(title, 0.15) if R.random() < 0.9 else " ".join(title.split()[:5])
        names = ", ".join((f"{g[0]}. {f}" if R.random() < 0.4 else f"{g} {f}") for g, m, f in R.sample(people, len(people)))
        b.append([600000 + len(b), own, gone(names, 0.03), gone(venue[1], 0.05), gone(year, 0.05), entity])
write("publications_a", ["id", "title", "authors", "venue", "year", "cluster"], a)
write("publications_b", ["id", "title", "authors", "venue", "year", "cluster"], b)

# Restaurants in one table.
rows = []
FOOD = "Grill Cafe Bistro Kitchen Diner Pizzeria Trattoria House Bar Palace Garden Oyster Steakhouse Deli Tavern".split()
CUISINE = "american italian french chinese japanese mexican seafood steakhouses delis pizza".split()
for entity in range(900):
    name = f"{R.choice(['', 'The ', 'Le ', 'Cafe ', 'El '])}{R.choice([R.choice(EN_F), R.choice(STREETS), R.choice(EN) + chr(39) + 's', R.choice(ES_F)])} {R.choice(FOOD)}"
    s, (city, state, _), phone, cuisine = street(), R.choice(CITIES), digits(10), R.choice(CUISINE)
    for _ in range(R.choices([1, 2], [0.85, 0.15])[0]):
        text = R.choice([name, name, name.replace("The ", ""), name + f" of {city}", slip(name)])
        rows.append([len(rows), text.lower(), street_text(s).lower() + R.choice(["", "", " near " + R.choice(STREETS).lower()]), city.lower(), phone_text(phone) if R.random() < 0.9 else phone_text(digits(10)), R.choice([cuisine, R.choice(CUISINE)]), entity])
write("restaurants", ["id", "name", "addr", "city", "phone", "type", "cluster"], rows)

# Products of two shops with columns of other names.
BRANDS = "Sony Canon Panasonic Samsung Bosch Whirlpool Garmin Logitech Netgear Yamaha Pioneer Frigidaire".split()
THING = ["Digital Camera", "Home Theater System", "LCD HDTV", "Dishwasher", "GPS Navigator", "Wireless Mouse", "Router", "Receiver", "Headphones", "Refrigerator", "Camcorder", "Speaker System"]
a, b = [], []
for entity in range(900):
    brand, thing = R.choice(BRANDS), R.choice(THING)
    model = "".join(R.choice("ABCDEFGHKLMNPRSTX") for _ in range(R.randrange(2, 4))) + digits(R.randrange(3, 5)) + R.choice(["", "B", "S", "/W"])
    colour, price = R.choice(["Black", "White", "Silver", "Red"]), round(R.lognormvariate(5, 1), 2)
    where = R.choices("ab2", [0.25, 0.25, 0.5])[0]
    if where in "a2":
        a.append([len(a) + 1, f"{brand} {colour} {thing} - {model}{colour[0]}", f"{brand} {thing} {model} with {colour.lower()} finish, {R.choice(['1 year warranty', 'remote control', 'energy saving'])}", gone(f"${price:,.2f}", 0.3), entity])
    if where in "b2":
        own = f"{brand} {model} {thing}" + R.choice(["", f" ({colour})", " - Refurbished", " with accessories"])
        b.append([len(b) + 1, slip(own, 0.1), gone(brand if R.random() < 0.9 else brand + " Electronics", 0.2), round(price * R.uniform(0.9, 1.1), 2), entity])
write("products_a", ["id", "name", "description", "price", "cluster"], a)
write("products_b", ["id", "title", "manufacturer", "price", "cluster"], b)


# Persons in Arabic, Persian and Spanish.
def arabic(text):
    swaps = [("أ", "ا"), ("إ", "ا"), ("ة", "ه"), ("ى", "ي"), ("عبدال", "عبد ال")]
    for x, y in swaps:
        if R.random() < 0.3:
            text = text.replace(x, y)
    return text


rows = []
for entity in range(1200):
    at = R.randrange(len(AR))
    family, city, phone = R.choice(AR_F), R.choice(AR_C), "05" + digits(8)
    year, month, day = R.randrange(1950, 2005), R.randrange(1, 13), R.randrange(1, 29)
    nid = "1" + digits(9)
    for _ in range(copies()):
        given = AR_L[at] if R.random() < 0.12 else arabic(AR[at])
        born = R.choice([f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}"])
        born = born if R.random() > 0.05 else f"{year}-{day % 12 + 1:02}-{month:02}"
        rows.append([given, arabic(family), gone(born, 0.15), gone(phone if R.random() > 0.1 else "+966" + phone[1:], 0.2), gone(nid, 0.6), city if R.random() > 0.1 else R.choice(AR_C), entity])
write("customers_ar", ["الاسم الأول", "اسم العائلة", "تاريخ الميلاد", "رقم الجوال", "رقم الهوية", "المدينة", "cluster"], rows)

rows = []
FADIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
for entity in range(1200):
    given, family, father, city = R.choice(FA), R.choice(FA_F), R.choice(FA), R.choice(FA_C)
    phone, nid = "09" + digits(9), digits(10)
    year, month, day = R.randrange(1330, 1385), R.randrange(1, 13), R.randrange(1, 30)
    for _ in range(copies()):
        g = given.replace("ی", "ي").replace("ک", "ك") if R.random() < 0.3 else given
        born = f"{year}/{month:02}/{day:02}"
        born = born.translate(FADIGITS) if R.random() < 0.5 else born
        mobile = phone.translate(FADIGITS) if R.random() < 0.3 else phone
        full = f"{g} {family}" if R.random() < 0.8 else f"آقای {g} {family}"
        rows.append([len(rows) + 1, full, father, gone(born, 0.1), gone(mobile, 0.25), gone(nid, 0.4), city if R.random() > 0.1 else R.choice(FA_C), entity])
write("customers_fa", ["ردیف", "نام و نام خانوادگی", "نام پدر", "تاریخ تولد", "تلفن همراه", "کد ملی", "شهر", "cluster"], rows)

rows = []
for entity in range(1500):
    given = R.choice(ES) + (" " + R.choice(ES) if R.random() < 0.3 else "")
    family = (R.choice(ES_F), R.choice(ES_F))
    mail = f"{given.split()[0].lower()}.{family[0].lower()}{R.randrange(99)}@{R.choice(['gmail.com', 'hotmail.es', 'correo.es'])}"
    phone, cp, address = R.choice("67") + digits(8), f"{R.randrange(1, 53):02}{R.randrange(1, 40):03}", (R.choice(ES_F), R.randrange(1, 120))
    year, month, day = R.randrange(1940, 2004), R.randrange(1, 13), R.randrange(1, 29)
    plain = str.maketrans("áéíóúñÁÉÍÓÚÑ", "aeiounAEIOUN")
    for _ in range(copies()):
        g, f = (given, " ".join(family) if R.random() < 0.7 else family[0])
        if R.random() < 0.3:
            g, f = g.translate(plain), f.translate(plain)
        if R.random() < 0.2:
            g, f = g.upper(), f.upper()
        line = R.choice([f"Calle {address[0]}, {address[1]}", f"C/ {address[0]} {address[1]}", f"CL {address[0]} nº {address[1]}"])
        rows.append([f"C{len(rows):05}", slip(g, 0.05), slip(f, 0.05), gone(f"{day}/{month}/{year}", 0.3), gone(mail.translate(plain), 0.35), gone(R.choice([phone, "+34 " + phone, f"{phone[:3]} {phone[3:6]} {phone[6:]}"]), 0.3), gone(line, 0.3), gone(cp, 0.2), entity])
write("customers_es", ["Código", "Nombre", "Apellidos", "Fecha de nacimiento", "Correo electrónico", "Teléfono", "Dirección", "Código postal", "cluster"], rows)

# Contacts: one column of names, companies, hardly anything else.
rows, places, unnamed = [], [], []
for entity in range(1200):
    given, family, company = R.choice(EN), R.choice(EN_F), f"{R.choice(EN_F)} {R.choice(['Industries', 'Logistics', 'Software', 'Foods', 'Partners'])}"
    mail, phone, s, (city, state, cp) = f"{given[0].lower()}{family.lower()}{R.randrange(99)}@{company.split()[0].lower()}.com", "+1" + digits(10), street(), R.choice(CITIES)
    for _ in range(copies()):
        name = R.choice([f"{given} {family}", f"{family}, {given}", f"{given[0]}. {family}", slip(f"{given} {family}")])
        rows.append([name, company + R.choice(["", " Inc", " LLC", ", Inc."]), gone(mail, 0.3), gone(phone, 0.4), gone(R.choice(["Manager", "Engineer", "Director"]), 0.3), "active", entity])
        unnamed.append([slip(given, 0.1), slip(family, 0.1), gone(mail, 0.3), gone(phone_text(phone[2:]), 0.3), street_text(s), city, cp, entity])
write("contacts", ["Contact", "Company", "E-Mail", "Mobile", "Job Title", "status", "cluster"], rows)
write("unnamed", [f"field_{n}" for n in range(1, 8)] + ["cluster"], unnamed)

# Places with coordinates.
for entity in range(1000):
    name = f"{R.choice(['Mount', 'Lake', 'Port', 'Saint', 'New', 'North', 'Villa'])} {R.choice(EN_F + ES_F + STREETS)}"
    lat, lon, country = R.uniform(-60, 60), R.uniform(-170, 170), R.choice(["France", "Spain", "Brazil", "Kenya"])
    for _ in range(copies()):
        places.append([slip(name, 0.2), f"{lat + R.gauss(0, 0.002):.5f}", f"{lon + R.gauss(0, 0.002):.5f}", gone(country, 0.1), gone(R.randrange(100, 90000), 0.5), entity])
write("places", ["name", "latitude", "longitude", "country", "population", "cluster"], places)
