"""The Open ASR leaderboard's tables (open_asr_leaderboard d1e99b2, Apache-2.0): data, as it changes the numbers."""

# spoken or spelled apart: as one
COMPOUNDS = """
et cetera: etc
al right: alright
all right: alright
how ever: however
wi fi: wifi
hi fi: hifi
lo fi: lofi
sci fi: scifi
e mail: email
e book: ebook
e commerce: ecommerce
x ray: xray
t shirt: tshirt
a m: am
p m: pm
o k: okay
"""

# one spelling of a name: the others that count as the same
NAMES = """
aaron: aron
alfonso: alphonso
alison: allison alyson
allen: alan allan
anne: ann
anthony: antony
arthur: artur
brett: bret
brian: bryan
bridget: bridgette
caitlin: katelyn kaitlyn kaitlin
carl: karl
carol: carrol carole carroll
catherine: katherine kathryn catharine
cathy: kathy
charlie: charly charley
chris: kris
christina: kristina
christopher: kristopher cristopher
colin: collin
deborah: devorah
dennis: denis
dominic: dominick
douglas: douglass
dylan: dillon
eric: erik erick
fatima: fatimah
frederick: frederik fredrick
gail: gayle
gary: garry
greg: gregg
henry: henri
ivonne: yvonne
jackie: jacky
jamie: jaime
jason: jayson
jeff: geoff
jeffrey: geoffrey jeffery
joanne: joann joane
john: jon
jonathan: johnathan jonathon
joseph: josef
karen: caren caryn karin
kelly: kellye kelli kelley
kevin: kevan
kristin: kristen
laurie: lori
lawrence: laurence
lee: leigh
leslie: lesley
lily: lilly
linda: lynda
lindsay: linsey lindsey
louis: lewis
lucas: lukas
lynn: lynne
mark: marc
martin: martyn
matthew: mathew
mcarthur: macarthur
mccarthy: macarthy maccarthy
mccartney: macartney
mcdonald: macdonald
mcgowan: macgowan
mcintosh: macintosh
mcintyre: macintyre
mckay: mackay
mckenzie: mackenzie
mclean: maclean
mcleod: macleod
mcmillan: macmillan
mcnamara: macnamara
megan: meghan
michael: micheal
michelle: michele
miriam: myriam
mohammed: mohamad mohamed mohammad muhammad muhamad muhammed mouhamed mouhamad mahomet
molly: mollie
natalie: nathalie
neil: neal
nicholas: nicolas
nicole: nikole
patrick: patrik
peter: pieter
philip: phillip
rachel: rachael
rajiv: rajeev
rebecca: rebekah
rob: robb
robin: robyn
roger: rodger
ronda: rhonda
russell: russel
sally: sallie
sarah: sara
sean: shaun shawn
shane: shayne
sherry: sheri cheri sherrie
simon: symon
stacy: stacey stacie
steven: stephen
stuart: stewart
susanne: suzanne
teresa: theresa
terry: terri
thomas: tomas
toby: tobey
tony: toni
tracy: tracey tracie
veronica: veronika
victor: viktor
victoria: viktoria
walter: walther
yousef: yusuf yusef
zach: zak
zachary: zackary zachery
"""

# where its UK to US spelling differs from Whisper's; nothing after the colon: it leaves the word as it is
SPELLINGS = """
ok: okay
kay: okay
etcetera: etc
archaeology: archeology
archaeological: archeological
archeological:
cancellation: cancelation
cancellations: cancelations
cancelation:
cancelations:
flyer: flier
mm: hmm
pummelled: pummeled
pummelling: pummeling
snowploughs: snowplows
travelogue: travelog
travelogues: travelogs
travelog:
travelogs:
"""
# 's means "is" after these words alone; Whisper's rule has it after all
IS = "it he she what that who here there how when where why this"


def spellings() -> dict[str, str]:
    """What a word becomes where Whisper's table says otherwise or nothing."""
    pairs = (line.partition(":") for line in SPELLINGS.split("\n") if line)
    return {word: to.strip() or word for word, _, to in pairs}


def compounds() -> list[tuple[str, str]]:
    """Pairs of what is searched, words with spaces between, and the one word that takes its place, in their order."""
    return [tuple(line.split(": ")) for line in COMPOUNDS.split("\n") if line]  # type: ignore[misc]


def names() -> dict[str, str]:
    """Each other spelling of a name, and the one it becomes."""
    table: dict[str, str] = {}
    for line in filter(None, NAMES.split("\n")):
        one, _, others = line.partition(": ")
        table |= dict.fromkeys(others.split(), one)
    return table
