//! Words by which values are known: streets, organisations, given and family names.
//!
//! Small lists of common words in Latin, Arabic and Persian letters, all folded, parted by
//! spaces. They tell what a column is, never whether two records are one: what they miss costs little, as a
//! share of a column's values is what counts.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// Kinds of streets and what stands beside them.
const STREET: &str = "\
    alley apt av ave avenida avenue blvd boulevard box c calle camino carrera carretera \
    circuit close court cra crescent ct dr drive highway hwy jalan jl lane ln parkway paseo \
    piazza pl place plaza platz pkwy po rd road route rua rue sq square st str strasse \
    street suite ter terrace travessa unit urb via way weg بلوار بن پلاك جاده حي خ خيابان ش \
    شارع طريق كوچه كورنيش ميدان";

/// Words in names of organisations: legal forms and kinds of house.
const ORGANISATION: &str = "\
    academy ag agency asociacion associates association bank banco bar bistro bros cafe \
    care center centre centro church clinic clinica club co colegio college comercial \
    community company compania consulting corp corporation council day daycare deli \
    development diner distribuidora empresa energy enterprises escuela family farmacia \
    foods foundation fundacion gmbh grill group grupo head holding holdings hospital hotel \
    house inc industries industrias ingenieria institute instituto international kitchen \
    laboratorio laboratories learning limited llc llp logistics ltd ltda management market \
    medical ministry museum office partners pharmacy pizza pizzeria plc preschool \
    properties pty restaurant restaurante s sa sarl school services servicios sl society \
    software solutions spa srl start stores supermarket systems technologies technology \
    trading transport transportes trust university universidad ventures works ymca البنك \
    التجاريه الصناعيه بازرگاني بانك بيمارستان جمعيه دانشگاه رستوران سازمان شركت شركه صنايع \
    فروشگاه كليه گروه لل للتجاره لمتد مدرسه مركز مستشفي مصنع مطعم معهد مكتب موسسه هتل فندق";

/// Common given names.
const GIVEN: &str = "\
    aaron abdullah abigail adam adrian ahmad ahmed aisha alan alberto alejandra alejandro \
    alex alexander alexandra alexis ali alice alicia alireza amanda amber amelia amir amy \
    ana andrea andres andrew angel angela anita ann anna anne anthony antonio arthur ashley \
    barbara ben benjamin beth betty bianca brandon brenda brian bruce caitlin caleb cameron \
    carl carla carlos carmen carol caroline catherine charles charlie charlotte chloe \
    christian christina christine christopher claire claudia connor craig cristina daniel \
    daniela david deborah denise dennis diana diego dina donald donna dorothy douglas dylan \
    edward elena elizabeth ella ellie emily emma eric ethan eva evelyn fatemeh fatima \
    fernando florian frances francis francisco frank gabriel gary george georgia gloria \
    grace graham gregory hannah harry hassan heather hector helen henry hossein hugo \
    hussein ian ibrahim isabel isabella isla jack jackson jacob jacqueline jaime jake james \
    jan jane janet jasmine jason javier jean jeffrey jennifer jeremy jesse jessica jesus \
    joan joe joel john jonathan jordan jorge jose joseph joshua joyce juan juana judith \
    judy julia julian julie justin karen kate katherine kathleen kathryn keith kelly \
    kenneth kevin khalid kimberly kyle lachlan larry laura lauren leila leon leonardo lewis \
    liam linda lisa logan louise lucas lucia lucy luis luke madison mahmoud manuel marco \
    marcos margaret maria marie marilyn mario mark marta martha martin mary maryam mateo \
    matthew max megan melissa mia michael michelle miguel mohamed mohammad mohammed mohsen \
    monica mustafa nancy natalia natalie nathan nicholas nicole noah nora olivia omar oscar \
    pablo pamela patricia patrick paul paula pedro peter philip rachel rafael ralph ramon \
    raymond rebecca reza ricardo richard robert roberto roger ronald rosa rose roy russell \
    ruth ryan sam samantha samuel sandra santiago sara sarah scott sean sebastian sergio \
    sharon shirley silvia sofia sophia sophie stephanie stephen steven susan teresa thomas \
    tiffany timothy tom tyler valentina vanessa veronica victor victoria vincent virginia \
    walter wayne william yasmin yousef youssef zachary zahra zoe ابراهيم احمد امير امينه \
    امين بهرام جميله حسن حسين حميد خالد خديجه داود رضا ريم زهرا زينب ساره سارا سعيد سلمان \
    سليمان سميه صالح طارق عادل عايشه عائشه عبدالرحمن عبدالله عبد عثمان علي عليرضا عمر فاطمه \
    فيصل كريم ليلا ليلي مجيد محسن محمد محمود مريم مصطفي منصور مهدي موسي نادر نازنين ناصر \
    نور هدي ياسر ياسمين يوسف";

/// Common family names.
const FAMILY: &str = "\
    adams ahmadi allen alvarez anderson bailey baker barnes bell bennett brooks brown \
    butler campbell carter castillo castro chavez clark clarke coleman collins cook cooper \
    cox cruz davies davis diaz edwards evans fernandez fischer fisher flores foster garcia \
    gomez gonzales gonzalez gray green gutierrez hall harris henderson hernandez hill \
    hosseini howard hughes jackson jenkins jimenez johnson jones karimi kelly khan kim king \
    lee lewis long lopez martin martinez mendoza meyer miller mitchell mohammadi moore \
    morales moreno morgan morris muller murphy murray myers nelson nguyen ortiz parker \
    patel perez perry peterson phillips powell price ramirez ramos reed reyes reynolds \
    rezaei richardson rivera roberts robinson rodriguez rogers rojas romero ross ruiz \
    russell sanchez sanders schmidt schneider scott silva simpson singh smith stevens \
    stewart sullivan suarez taylor thomas thompson torres turner vargas vasquez walker wang \
    ward watson weber white williams wilson wood wright young احمدي اكبري الاحمد الحسن \
    الخطيب السيد الشمري العتيبي العلي الغامدي القحطاني المصري اميري جعفري حسيني حيدري رحيمي \
    رضايي رضائي صادقي عباسي عبدالله علوي قاسمي كاظمي كريمي محمدي مرادي موسوي نوري هاشمي \
    يوسفي";

/// Sexes, as they are written.
const SEXES: &str = "\
    f female femenino femme h hombre homme m male man mann masculino mujer n nonbinary o \
    other u unknown varon w woman x zan mard ن م ا انثي ذكر زن مرد خانم اقا";

/// What a word may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Word {
    /// Of a street.
    Street,
    /// Of an organisation.
    Organisation,
    /// A given name.
    Given,
    /// A family name.
    Family,
    /// A sex.
    Sex,
}

static KNOWN: LazyLock<FxHashMap<&'static str, Vec<Word>>> = LazyLock::new(|| {
    let lists = [
        (Word::Street, STREET),
        (Word::Organisation, ORGANISATION),
        (Word::Given, GIVEN),
        (Word::Family, FAMILY),
        (Word::Sex, SEXES),
    ];
    let mut known: FxHashMap<&str, Vec<Word>> = FxHashMap::default();
    for (word, list) in lists {
        list.split(' ').for_each(|text| known.entry(text).or_default().push(word));
    }
    known
});

/// Whether a folded word is one of these.
pub(super) fn is(text: &str, word: Word) -> bool {
    KNOWN.get(text).is_some_and(|own| own.contains(&word))
}
