"""Made-up people's names, and the ways in which forms, agents and telephones write them."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from functools import cache

_GIVEN = {
    "en": (
        "James Robert John Michael William David Richard Joseph Thomas Charles Daniel Matthew Anthony Edward Steven "
        "Andrew Kenneth George Joshua Kevin Brian Timothy Ronald Jason Jeffrey Ryan Jacob Gary Nicholas Eric",
        "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy Lisa Margaret Sandra Ashley "
        "Emily Kimberly Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca Laura Helen Sharon Cynthia Amy",
    ),
    "de": (
        "Hans Peter Wolfgang Klaus Jürgen Dieter Manfred Uwe Günter Horst Bernd Rainer Frank Andreas Stefan Thomas "
        "Matthias Sebastian Alexander Florian Tobias Jan Lukas Jonas Maximilian Felix Björn Jörg Rüdiger Volker",
        "Ursula Monika Petra Sabine Renate Helga Karin Brigitte Ingrid Andrea Susanne Birgit Martina Gabriele Claudia "
        "Katharina Anna Julia Laura Sophie Franziska Käthe Heike Anja Silke Kerstin Stefanie Christine Elke Gisela",
    ),
    "fr": (
        "Jean Pierre Michel André Philippe René Louis Alain Jacques Bernard Marcel Daniel Roger Robert Paul Claude "
        "Christophe Nicolas Frédéric Laurent Sébastien Julien Mathieu Antoine Étienne François Hervé Loïc Yves Luc",
        "Marie Jeanne Françoise Monique Catherine Nathalie Isabelle Jacqueline Anne Sylvie Martine Madeleine Nicole "
        "Suzanne Hélène Christine Valérie Sophie Céline Aurélie Émilie Chloé Manon Camille Léa Élodie Agnès Odile Inès Zoé",
    ),
    "es": (
        "Antonio José Manuel Francisco Juan David Javier Carlos Jesús Daniel Miguel Rafael Pedro Alejandro Ángel Pablo "
        "Sergio Fernando Jorge Luis Alberto Álvaro Diego Adrián Raúl Iván Rubén Óscar Andrés Ramón",
        "María Carmen Josefa Isabel Ana Dolores Pilar Teresa Rosa Cristina Lucía Marta Laura Elena Mercedes Concepción "
        "Paula Raquel Sara Silvia Beatriz Nuria Rocío Inés Alicia Irene Sonia Andrea Julia Mónica",
    ),
    "pl": (
        "Piotr Krzysztof Andrzej Tomasz Jan Paweł Michał Marcin Jakub Adam Łukasz Marek Grzegorz Mateusz Wojciech "
        "Mariusz Dariusz Zbigniew Jerzy Rafał Robert Kamil Jacek Szymon Kacper Bartosz Maciej Sławomir Artur Damian",
        "Anna Maria Katarzyna Małgorzata Agnieszka Barbara Ewa Krystyna Elżbieta Magdalena Joanna Zofia Monika "
        "Aleksandra Danuta Teresa Jadwiga Natalia Julia Karolina Marta Beata Dorota Halina Jolanta Iwona Alicja Paulina Renata Grażyna",
    ),
    "ru": (
        "Александр Сергей Дмитрий Андрей Алексей Максим Евгений Иван Михаил Артём Владимир Николай Юрий Павел Олег "
        "Виктор Константин Григорий Василий Фёдор Леонид Борис Егор Кирилл Пётр",
        "Елена Ольга Наталья Анна Татьяна Ирина Мария Светлана Екатерина Юлия Анастасия Людмила Галина Оксана Виктория "
        "Дарья Ксения Марина Надежда Вера Любовь Алла Жанна Полина Софья",
    ),
    "zh": ("伟 强 磊 军 勇 杰 涛 明 超 刚 平 辉 鹏 建 国 志 文 海 林 波", "芳 娜 敏 静 丽 艳 秀 娟 英 霞 玲 燕 梅 红 雪 琳 兰 洁 慧 云"),
}  # fmt: skip
_STEMS = {
    "en": ("Ash Black Brad Brook Clay Dal East Ever Green Hal Hart Hay Hill Kings Lang Mar Mil New Nor Old Pem Red "
           "Rich Stan Thorn Wal West White Whit Wood", "ton ley ford wood well field man by worth ham son brook"),
    "de": ("Acker Alt Berg Birk Brunn Buch Eich Feld Gold Hagen Hof Kalt Kirch Klein Kron Lind Mühl Neu Nieder Ober "
           "Rosen Schön Schwarz Sommer Stein Stern Wald Weiß Winter Wolf", "mann er meier bach hoff brecht hauer inger stein thal müller bauer"),
    "fr": ("Beau Blanch Bois Bon Char Clair Cour Dela Des Dufour Dupr Fontain Gir Grand Lac Lamb Mar Mont Morel Per "
           "Ren Roch Rous Sav Val", "ard et in eau ier on elle and ot ois"),
    "es": ("Álvar Beltr Benít Castill Domíngu Fernánd Garc Gonzál Gutiérr Hernánd Jimén Lóp Martín Núñ Pér Ramír "
           "Rodrígu Ruiz Sánch Vázqu", "ez os ano era eda"),
    "pl": ("Adam Bor Dąbrow Gór Jabłoń Jan Kamiń Kowal Kozłow Kwiat Lewandow Maj Malinow Nowakow Olszew Piotrow "
           "Sikor Szymań Wiśniew Wójc Wróblew Zawadz Zieliń", "ski"),
    "ru": ("Иван Петр Сидор Смирн Кузнец Попов Васил Соколов Михайл Новик Фёдор Мороз Волк Алексе Лебед Семён Егор "
           "Павл Козл Степан Никола Орл Андре Макар Никит Захар Зайц Соловь Борис Яковл", "ов"),
    "zh": ("王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 高 林 罗 郑 梁 谢 宋 唐 许 韩 冯 邓 曹", ""),
}  # fmt: skip
_PINYIN = dict(
    zip(
        "伟强磊军勇杰涛明超刚平辉鹏建国志文海林波芳娜敏静丽艳秀娟英霞玲燕梅红雪琳兰洁慧云"
        "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高罗郑梁谢宋唐许韩冯邓曹",
        "wei qiang lei jun yong jie tao ming chao gang ping hui peng jian guo zhi wen hai lin bo fang na min jing li yan xiu "
        "juan ying xia ling yan mei hong xue lin lan jie hui yun wang li zhang liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he "
        "gao luo zheng liang xie song tang xu han feng deng cao".split(),
        strict=True,
    )
)
_CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya".replace("_", "\0").split(),
        strict=True,
    )
)
_SHORT = {
    "James": "Jim", "Robert": "Bob", "John": "Jack", "Michael": "Mike", "William": "Bill", "David": "Dave",
    "Richard": "Dick", "Joseph": "Joe", "Thomas": "Tom", "Charles": "Charlie", "Daniel": "Dan", "Matthew": "Matt",
    "Anthony": "Tony", "Edward": "Ted", "Steven": "Steve", "Andrew": "Andy", "Kenneth": "Ken", "Joshua": "Josh",
    "Timothy": "Tim", "Ronald": "Ron", "Jeffrey": "Jeff", "Jacob": "Jake", "Nicholas": "Nick", "Patricia": "Pat",
    "Jennifer": "Jenny", "Elizabeth": "Liz", "Barbara": "Barb", "Susan": "Sue", "Jessica": "Jess", "Margaret": "Peggy",
    "Sandra": "Sandy", "Kimberly": "Kim", "Deborah": "Debbie", "Rebecca": "Becky", "Cynthia": "Cindy",
    "Wolfgang": "Wolf", "Alexander": "Alex", "Sebastian": "Basti", "Maximilian": "Max", "Katharina": "Kathi",
    "Gabriele": "Gabi", "Susanne": "Susi", "Francisco": "Paco", "José": "Pepe", "Antonio": "Toño", "Dolores": "Lola",
    "Concepción": "Concha", "Krzysztof": "Krzysiek", "Katarzyna": "Kasia", "Małgorzata": "Gosia", "Agnieszka": "Aga",
    "Александр": "Саша", "Сергей": "Серёжа", "Дмитрий": "Дима", "Екатерина": "Катя", "Наталья": "Наташа", "Анастасия": "Настя",
}  # fmt: skip
CULTURES = ("en", "de", "fr", "es", "pl", "ru", "zh")
_WEIGHTS = (34, 30, 10, 8, 7, 6, 5)


@dataclass(frozen=True, slots=True)
class Called:
    """What somebody is called; `suffix` is Jr or Sr."""

    culture: str
    given: str
    family: str
    is_woman: bool
    suffix: str = ""

    @property
    def has_other_script(self) -> bool:
        return self.culture in ("ru", "zh")

    @property
    def has_short_form(self) -> bool:
        return self.given in _SHORT


@cache
def _families(culture: str) -> tuple[list[str], list[float]]:
    stems, endings = (text.split() for text in _STEMS[culture])
    found = [stem + ending for stem in stems for ending in endings or [""]]
    random.Random(culture).shuffle(found)
    return found, [1 / (12 + rank) for rank in range(len(found))]


def draw(chance: random.Random, culture: str | None = None, family: str | None = None) -> Called:
    """Somebody; of the family's name in its masculine form if `family` is given."""
    culture = culture or chance.choices(CULTURES, _WEIGHTS)[0]
    is_woman = chance.random() < 0.5
    given = chance.choice(_GIVEN[culture][is_woman].split())
    if culture == "zh" and chance.random() < 0.8:
        given += chance.choice(_GIVEN["zh"][is_woman].split())
    return Called(culture, given, family or draw_family(chance, culture), is_woman)


def draw_family(chance: random.Random, culture: str) -> str:
    names, weights = _families(culture)
    return chance.choices(names, weights)[0]


def family_of(called: Called) -> str:
    """The family name as the person bears it: Kowalski's wife is Kowalska."""
    if called.is_woman and called.culture == "pl" and called.family.endswith("ski"):
        return called.family[:-1] + "a"
    return called.family + "а" if called.is_woman and called.culture == "ru" else called.family


def plain(called: Called) -> str:
    given, family = called.given, family_of(called)
    return (family + given if called.culture == "zh" else f"{given} {family}") + (called.suffix and f" {called.suffix}")


def latin(text: str, chance: random.Random | None = None) -> str:
    """Cyrillic and Chinese in Latin letters, with one of the usual spellings."""
    found = "".join(_PINYIN.get(char, char) for char in text)
    for char, said in _CYRILLIC.items():
        found = found.replace(char, said.replace("\0", "")).replace(char.upper(), said.replace("\0", "").capitalize())
    if chance and found != text:
        for one, other in (("ey", "ei"), ("kh", "h"), ("yu", "iu"), ("ya", "ia"), ("iy", "y")):
            if chance.random() < 0.3:
                found = found.replace(one, other)
    return found[:1].upper() + found[1:]


def parts(called: Called, chance: random.Random | None = None) -> tuple[str, str]:
    """(given, family) in Latin letters."""
    return latin(called.given, chance), latin(family_of(called), chance)


def folded(text: str) -> str:
    """For the local part of an address."""
    text = text.lower().replace("ß", "ss").replace("ł", "l")
    for mark, said in (("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
        text = text.replace(mark, said)
    return "".join(char for char in unicodedata.normalize("NFKD", text) if char.isascii() and char.isalnum())


def written(called: Called, chance: random.Random) -> tuple[str, str]:
    """(a way to write the name, what is particular about it)."""
    dice = chance.random()
    given, family = called.given, family_of(called)
    if called.has_other_script and dice < 0.5:
        given, family = parts(called, chance)
        if dice < 0.15:
            return f"{family} {given}", "transliterated"
        return f"{given} {family}", "transliterated"
    if dice < 0.60 or called.has_other_script:
        return plain(called), "plain"
    if dice < 0.72 and called.has_short_form:
        return f"{_SHORT[given]} {family}" + (called.suffix and f" {called.suffix}"), "nickname"
    if dice < 0.78:
        return f"{given[0]}. {family}" + (called.suffix and f" {called.suffix}"), "initial"
    if dice < 0.86:
        return f"{family}, {given}" + (called.suffix and f" {called.suffix}"), "swapped"
    if dice < 0.91:
        return plain(called).upper(), "plain"
    if dice < 0.95:
        bare = unicodedata.normalize("NFKD", plain(called))
        return "".join(char for char in bare if not unicodedata.combining(char)), "plain"
    at = chance.randrange(1, max(len(family) - 2, 2))
    if len(family) > 5:
        return f"{given} {family[:at] + family[at + 1] + family[at] + family[at + 2 :]}" + (
            called.suffix and f" {called.suffix}"
        ), "misspelt"
    return plain(called), "plain"
